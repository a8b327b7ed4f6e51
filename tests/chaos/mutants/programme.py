"""Which scene shows up which mutant, and the promises that it breaks there."""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from tests.chaos.mutants import crowded_scenes, scenes
from tests.chaos.mutants.conditions import Conditions
from tests.chaos.mutants.setting import Setting
from tests.chaos.mutants.stage import Stage

ONE: Final = Setting()
TWO: Final = Setting(replicas=2)


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """What is played, in what setting, and the rules of which one must be reported broken."""

    play: Callable[[Stage], Awaitable[None]]
    rules: frozenset[str]
    setting: Setting = ONE


def _scene(play: Callable[[Stage], Awaitable[None]], *rules: str, setting: Setting = ONE) -> Scene:
    return Scene(play=play, rules=frozenset(rules), setting=setting)


POWER: Final = Setting(conditions=Conditions(power_cuts=True))
SWEEPS: Final = Setting(conditions=Conditions(sweep_seconds=0.05, sweep_pause_seconds=0.6))
SWEPT: Final = Setting(replicas=2, conditions=Conditions(sweep_seconds=0.1))
FULL: Final = Setting(max_workers=5)
FORGETS: Final = Setting(conditions=Conditions(purge_seconds=0.3, retention_seconds=3))

# M15 sells: it is played elsewhere.
SCENES: Final[Mapping[str, Scene]] = MappingProxyType(
    {
        "M1": _scene(scenes.late_completion, "S5", "S6"),
        "M2": _scene(crowded_scenes.a_clock_ahead, "S4", setting=TWO),
        "M3": _scene(crowded_scenes.a_claim_that_waits, "S4", setting=SWEPT),
        "M4": _scene(scenes.creates_and_crashes, "S1"),
        "M5": _scene(scenes.creates_and_crashes, "S1", setting=POWER),
        "M6": _scene(crowded_scenes.two_claims_at_once, "S4", "S9", setting=TWO),
        "M7": _scene(crowded_scenes.two_creates_at_once, "S3", setting=TWO),
        "M8": _scene(scenes.claims_beside_a_slow_sweeper, "S4", setting=SWEEPS),
        "M9": _scene(scenes.failures_to_the_last_attempt, "S9"),
        "M10": _scene(scenes.heartbeats, "S11"),
        "M11": _scene(scenes.late_failure, "S5"),
        "M12": _scene(scenes.ends_and_claims_in_one, "S18", setting=FULL),
        "M13": _scene(scenes.old_tasks, "S21", "S1", setting=FORGETS),
        "M14": _scene(scenes.a_look_at_anothers_task, "S17"),
        "M16": _scene(scenes.heartbeat_after_the_end, "S7"),
    }
)
