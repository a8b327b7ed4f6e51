"""How much is measured, and where: the same for every section of one run."""

from pathlib import Path

import msgspec

from benchmarks.machine import Cores


class Effort(msgspec.Struct, frozen=True, kw_only=True):
    """Rounds and spans of a run."""

    rounds: int
    seconds: float
    warm_up_seconds: float
    phase_rounds: int
    phase_seconds: float
    phase_tasks: int
    engine_seconds: float
    many_tasks: int
    claim_rounds: int
    claims_per_round: int
    starts: int
    aged_lives: int
    window_lives: int
    handed_over: int
    idle_seconds: float


FULL = Effort(
    rounds=5,
    seconds=6,
    warm_up_seconds=3,
    phase_rounds=3,
    phase_seconds=3,
    phase_tasks=60_000,
    engine_seconds=3,
    many_tasks=1_000_000,
    claim_rounds=25,
    claims_per_round=60,
    starts=7,
    aged_lives=2_000_000,
    window_lives=100_000,
    handed_over=500,
    idle_seconds=60,
)
QUICK = Effort(
    rounds=2,
    seconds=2,
    warm_up_seconds=1,
    phase_rounds=1,
    phase_seconds=2,
    phase_tasks=40_000,
    engine_seconds=1,
    many_tasks=100_000,
    claim_rounds=5,
    claims_per_round=40,
    starts=2,
    aged_lives=60_000,
    window_lives=6_000,
    handed_over=150,
    idle_seconds=12,
)


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """What every section is given. `folder` is on a disk, and empty at first."""

    effort: Effort
    cores: Cores
    folder: Path
