"""How many task lives the engine commits in a second: writer and store, no HTTP."""

import asyncio
import time
from collections.abc import Sequence
from itertools import cycle

import msgspec

from benchmarks.conditions import Conditions
from benchmarks.embedded import Engine, engine, in_own_process, sqlite
from benchmarks.figures import Figure, Target
from benchmarks.filling import Account, new_account
from orchestrion.engine.overload import QueueLimits
from orchestrion.store.sqlite.database import Place

CALLERS = 64
LIVES_AT_LEAST = 15_000
TOGETHER = "64 callers"
ONE_BY_ONE = "64 callers, batches of one"
ALONE = "1 caller"
MODES = (TOGETHER, ONE_BY_ONE, ALONE)


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """How many lives one span of time saw, and the processor time they took."""

    lives: int
    wall: float
    cpu: float


def measure(conditions: Conditions) -> list[Figure]:
    """Measure with group commit, without it, and with nobody to share a commit with."""
    # Nobody makes load beside it, so the thread that commits may have the other core.
    both = {conditions.cores.server, conditions.cores.load}
    spans = in_own_process(both, _measure, conditions)
    return [one for mode in MODES for one in _figures(mode, spans[mode])]


def _figures(mode: str, spans: list[Span]) -> list[Figure]:
    return [
        Figure(
            name=f"{mode}, life cycles/s",
            unit="/s",
            samples=[one.lives / one.wall for one in spans],
            target=Target(at_least=LIVES_AT_LEAST) if mode == TOGETHER else None,
        ),
        Figure(
            name=f"{mode}, CPU per life cycle",
            unit="µs",
            samples=[one.cpu / one.lives * 1e6 for one in spans],
        ),
    ]


async def _measure(conditions: Conditions) -> dict[str, list[Span]]:
    effort = conditions.effort
    place = Place(path=conditions.folder / "engine.db")
    account = new_account(place.path)
    spans: dict[str, list[Span]] = {mode: [] for mode in MODES}
    for _ in range(effort.rounds):
        async with engine(sqlite(place), account) as together:
            await span(together, CALLERS, effort.warm_up_seconds / effort.rounds)
            spans[TOGETHER].append(await span(together, CALLERS, effort.engine_seconds))
            spans[ALONE].append(await span(together, 1, effort.engine_seconds / 2))
        async with engine(sqlite(place), account, QueueLimits(batch_max=1)) as one_by_one:
            spans[ONE_BY_ONE].append(await span(one_by_one, CALLERS, effort.engine_seconds / 2))
    return spans


async def span(
    used: Engine, callers: int, seconds: float, accounts: Sequence[Account] = ()
) -> Span:
    """Let so many callers take tasks through their lives, one after the other.

    They are shared out among the accounts, where several are given.
    """
    each = cycle([used.of(account) for account in accounts] or [used])
    started, cpu = time.perf_counter(), time.process_time()
    ends = started + seconds
    lives = sum(await asyncio.gather(*(_live_until(next(each), ends) for _ in range(callers))))
    return Span(lives=lives, wall=time.perf_counter() - started, cpu=time.process_time() - cpu)


async def _live_until(used: Engine, ends: float) -> int:
    lives = 0
    while time.perf_counter() < ends:
        await used.live()
        lives += 1
    return lives
