"""Who breaks things: a seeded schedule of faults with quiet between, each written down."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from tests.chaos import faults, faults_postgres
from tests.chaos.crowds import TOOK_EFFECT
from tests.chaos.faults import Details, Field, Kind
from tests.chaos.history import Fault, Writer
from tests.chaos.recorder import Tally

KINDS: Final = (*faults.KINDS, *faults_postgres.KINDS)
# What happens so much more often than the others.
WEIGHTS: Final = {"kill": 6, "backend kills": 3}
# Details that say how often something happened.
COUNTED: Final = ("killed", "paused")
# So often the next fault is one that must happen and has not often enough.
LACKING_FIRST: Final = 0.7
# How soon the service must be back is judged where nothing else happens meanwhile: once in a run.
JUDGED_SECONDS: Final = {"kill": 5.5, "immediate restart": 10.5}
# What is judged by how it was before and after, where nothing else happens for so long each time.
CALM_SECONDS: Final = 31.0
JUDGED_IN_CALM: Final = frozenset({"retry storm", "immediate restart", "stuck job"})


def kinds_for(store: str, wanted: frozenset[str]) -> list[Kind]:
    """Give the faults there are on a store, of those whose id or name is wanted."""
    return [
        kind
        for kind in KINDS
        if store in kind.stores and (not wanted or {kind.id, kind.name} & wanted)
    ]


def each_once(store: str) -> dict[str, int]:
    """Ask for every fault that there is on a store."""
    return {kind.name: 1 for kind in kinds_for(store, frozenset()) if not kind.rare}


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How long it is quiet between faults on average, and how often each must happen by name.

    Those in `calm` happen first, once each, with `CALM_SECONDS` before and after.
    """

    quiet_seconds: float
    least: Mapping[str, int]
    calm: frozenset[str] = frozenset()


class Nemesis:
    """Breaks one thing after the other until it is told to stop; `counts` go by name."""

    def __init__(self, field: Field, kinds: Sequence[Kind], tally: Tally, writer: Writer) -> None:
        self.counts: Counter[str] = Counter()
        self._field = field
        self._kinds = kinds
        self._tally = tally
        self._writer = writer
        self._number = 0
        self._last = ""
        self._owed = dict(JUDGED_SECONDS)
        self._cards: list[Kind] = []

    async def run(self, pace: Pace, over: asyncio.Event) -> None:
        """Go on until it is over; what was begun is undone first."""
        await self._in_calm([kind for kind in self._kinds if kind.name in pace.calm], over)
        while not over.is_set():
            await _unless(over, self._quiet(pace.quiet_seconds))
            if not over.is_set():
                await self.happen(self._next(pace.least))

    async def _in_calm(self, kinds: Sequence[Kind], over: asyncio.Event) -> None:
        for kind in kinds:
            await _unless(over, CALM_SECONDS)
            if not over.is_set():
                await self.happen(kind)
        if kinds:
            await _unless(over, CALM_SECONDS)

    def _quiet(self, seconds: float) -> float:
        usual = self._field.chance.uniform(0.3, 1.7) * seconds
        return max(usual, self._owed.pop(self._last, 0.0))

    def _next(self, least: Mapping[str, int]) -> Kind:
        chance = self._field.chance
        lacking = [kind for kind in self._kinds if self.counts[kind.name] < least.get(kind.name, 0)]
        if lacking and chance.random() < LACKING_FIRST:
            return chance.choice(lacking)
        if not self._cards:
            self._cards = deck(self._kinds, chance)
        return self._cards.pop()

    async def happen(self, kind: Kind) -> None:
        """Let one fault happen, and write it down."""
        self._check()
        self._tally.epoch += 1
        began = time.monotonic_ns()
        details = await kind.happen(self._field)
        self._number += 1
        self._last = kind.name
        self._writer.write(
            Fault(
                number=self._number,
                id=kind.id,
                name=kind.name,
                # What is only prepared hurts nobody yet.
                began=details.get("signalled", began),
                # A stop is over when the server has ended, not when the next one serves.
                ended=details.get("stopped", time.monotonic_ns()),
                details=details,
            )
        )
        self._count(kind, details)
        self._check()

    def _count(self, kind: Kind, details: Details) -> None:
        # What hit nothing is in the history and does not count.
        if not details.get(TOOK_EFFECT, True):
            return
        counted = [details[name] for name in COUNTED if name in details]
        self.counts[kind.name] += sum(counted) if counted else 1
        if kind.name == "retry storm":
            self.counts["kill"] += 1

    def _check(self) -> None:
        for replica in self._field.ground.replicas:
            replica.check()


def deck(kinds: Sequence[Kind], chance: random.Random) -> list[Kind]:
    """Shuffle the faults, each as often as it weighs."""
    often = [kind for kind in kinds if not kind.rare]
    cards = [kind for kind in often for _ in range(WEIGHTS.get(kind.name, 1))]
    chance.shuffle(cards)
    return cards


async def _unless(over: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await over.wait()
    except TimeoutError:
        return
