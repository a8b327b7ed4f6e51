"""The course of a run: the knee, a hold, three times the clients, recovery; then ruder clients."""

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Final

import msgspec

from benchmarks.overload.clients import Manners
from benchmarks.overload.crowd import Crowd
from benchmarks.overload.records import Oddities, Records, Span

STEPS: Final = (4, 8, 16, 32, 64, 128, 256, 512, 1_024)
# Growth below this for so many steps, or creates or faults above these: the knee is passed.
GAIN: Final = 1.05
BEYOND: Final = 2
CREATE_P99_MS_MAX: Final = 250
FAULT_SHARE_MAX: Final = 0.001
OVER: Final = 3
# More than the bounds of the service let in, fewer than the connections it takes.
MANY: Final = 1_200
CALM_SHARE: Final = 0.7
# Recovered: the p99 of so many windows in a row is within this factor of what it was before.
RECOVERED_FACTOR: Final = 2.0
RECOVERED_WINDOWS: Final = 3
WINDOW_SECONDS: Final = 1.0


class Effort(msgspec.Struct, frozen=True, kw_only=True):
    """How long each part takes, in seconds."""

    settle: float
    step: float
    hold: float
    calm: float
    overload: float
    many: float
    at_once: float
    recovery: float


# The hold fills caches too: what memory an overload takes is compared with that.
FULL: Final = Effort(
    settle=1, step=4, hold=60, calm=15, overload=120, many=120, at_once=60, recovery=30
)
SHORT: Final = Effort(
    settle=0.5, step=2, hold=5, calm=5, overload=12, many=12, at_once=12, recovery=15
)


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """How the server's memory is read, in MiB, and what it has used of its core."""

    memory_mib: Callable[[], float]
    cpu_seconds: Callable[[], float]


class Surge(msgspec.Struct, frozen=True, kw_only=True):
    """One overload: what it came to, the most memory, and how long until all was as before.

    `recovery_seconds` is None where that was not to be seen in the time it was watched.
    """

    name: str
    span: Span
    core_share: float
    memory_mib: float
    recovery_seconds: float | None
    oddities: Oddities


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """What a whole run saw."""

    steps: list[Span]
    knee: Span
    # The same once more when the first overload is over: by then the database is as large.
    knee_again: Span
    calm: Span
    core_share: float
    memory_mib: float
    surges: list[Surge]


class Runner:
    """Runs the parts in their order against one server."""

    def __init__(self, manners: Manners, watch: Watch, effort: Effort) -> None:
        self._manners = manners
        self._watch = watch
        self._effort = effort

    async def run(self) -> Course:
        """Run all parts."""
        effort, crowd = self._effort, self._crowd("honouring")
        steps = await self._steps(crowd)
        clients = knee_of(steps).clients
        await crowd.become(clients)
        await asyncio.sleep(effort.settle)
        knee, core_share = await self._watched("hold at the knee", crowd, effort.hold)
        memory_mib = self._watch.memory_mib()
        await crowd.become(_calm(clients))
        await asyncio.sleep(effort.settle)
        calm = _told("0.7 of the knee", await crowd.watched(effort.calm))
        await crowd.disband()
        first = await self._surge(_first(clients, effort), calm)
        knee_again = await self._again(clients)
        others = [await self._surge(plan, calm) for plan in _others(clients, effort)]
        return Course(
            steps=steps,
            knee=knee,
            knee_again=knee_again,
            calm=calm,
            core_share=core_share,
            memory_mib=memory_mib,
            surges=[first, *others],
        )

    async def _again(self, clients: int) -> Span:
        crowd = self._crowd("honouring")
        await crowd.become(clients)
        await asyncio.sleep(self._effort.settle)
        span, _ = await self._watched("hold at the knee again", crowd, self._effort.hold)
        await crowd.disband()
        return span

    async def _watched(self, name: str, crowd: Crowd, seconds: float) -> tuple[Span, float]:
        used = self._watch.cpu_seconds()
        span = _told(name, await crowd.watched(seconds))
        return span, round((self._watch.cpu_seconds() - used) / span.seconds, 2)

    def _crowd(self, kind: str) -> Crowd:
        manners = msgspec.structs.replace(self._manners, honours=kind == "honouring")
        return Crowd(manners, Records())

    async def _steps(self, crowd: Crowd) -> list[Span]:
        steps: list[Span] = []
        for clients in STEPS:
            await crowd.become(clients)
            await asyncio.sleep(self._effort.settle)
            steps.append(_told("step", await crowd.watched(self._effort.step)))
            if _beyond(steps):
                break
        return steps

    async def _surge(self, plan: "_Plan", calm: Span) -> Surge:
        crowd = self._crowd(plan.kind)
        reading = asyncio.create_task(self._memory_high())
        await crowd.become(plan.crowded)
        span, core_share = await self._watched(plan.name, crowd, plan.seconds)
        began = time.monotonic()
        await crowd.become(plan.calm)
        recovery = await self._recovered(crowd, calm, began)
        await crowd.disband()
        reading.cancel()
        return Surge(
            name=plan.name,
            span=span,
            core_share=core_share,
            memory_mib=self._memory,
            recovery_seconds=recovery,
            oddities=crowd.records.oddities,
        )

    async def _memory_high(self) -> None:
        self._memory = 0.0
        while True:
            self._memory = max(self._memory, self._watch.memory_mib())
            await asyncio.sleep(WINDOW_SECONDS)

    async def _recovered(self, crowd: Crowd, calm: Span, began: float) -> float | None:
        """Give when the first of some good windows in a row began; None if none did in time."""
        good, at = 0, began
        while at - began < self._effort.recovery:
            since = len(crowd.records)
            await asyncio.sleep(WINDOW_SECONDS)
            p99_ms = crowd.records.p99_ms(since)
            good = good + 1 if 0 < p99_ms <= calm.p99_ms * RECOVERED_FACTOR else 0
            at = time.monotonic()
            if good == RECOVERED_WINDOWS:
                return round(at - began - good * WINDOW_SECONDS, 1)
        return None


class _Plan(msgspec.Struct, frozen=True):
    name: str
    kind: str
    crowded: int
    calm: int
    seconds: float


def _first(clients: int, effort: Effort) -> _Plan:
    over = OVER * clients
    return _Plan("three times the knee", "honouring", over, _calm(clients), effort.overload)


def _others(clients: int, effort: Effort) -> list[_Plan]:
    over, many, calm = OVER * clients, max(MANY, OVER * clients), _calm(clients)
    return [
        _Plan("far more", "honouring", many, calm, effort.many),
        _Plan("three times the knee, at once", "at once", over, calm, effort.at_once),
        _Plan("far more, at once", "at once", many, calm, effort.at_once),
    ]


def knee_of(steps: list[Span]) -> Span:
    """Give the last step that gained, of those that were still well."""
    knee = steps[0]
    for step in steps[1:]:
        if not _well(step):
            break
        if step.lives_per_second >= knee.lives_per_second * GAIN:
            knee = step
    return knee


def _beyond(steps: list[Span]) -> bool:
    # One step without a gain may be chance.
    return not _well(steps[-1]) or steps.index(knee_of(steps)) < len(steps) - BEYOND


def _well(step: Span) -> bool:
    faults = (step.faults + step.broken) / max(1, sum(step.answers.values()))
    return step.create_p99_ms <= CREATE_P99_MS_MAX and faults <= FAULT_SHARE_MAX


def _calm(clients: int) -> int:
    return max(1, round(clients * CALM_SHARE))


def _told(name: str, span: Span) -> Span:
    print(
        f"{name}: {span.clients} clients, {span.lives_per_second:.0f} lives/s, "
        f"p99 {span.p99_ms} ms, creates' p99 {span.create_p99_ms} ms, "
        f"{span.refused} refusals (p99 {span.refusal_p99_ms} ms)",
        file=sys.stderr,
        flush=True,
    )
    return span
