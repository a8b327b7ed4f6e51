"""Finds what waiting claims were not woken for: asks the database, and hears other processes.

What other processes tell is quick and may be lost. What the database says is the truth, and is
asked for all that is waited for again and again.
"""

import asyncio
import random
from collections.abc import Sequence
from typing import Final

import msgspec

from orchestrion.core.claimable import made_claimable
from orchestrion.core.view import TypeKey, View
from orchestrion.engine.ports import Observer, Reader, Wakeups
from orchestrion.engine.waiters import Waiters
from orchestrion.engine.writer import Writer

# Types read at a time.
LOOK_TYPES_MAX: Final = 200
# Looks of several processes drift apart, so that they do not meet at the database.
JITTER_SHARE: Final = 0.25


class LookoutLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How often the database is asked."""

    every_seconds: float = 5.0
    # While other processes change what nobody tells of.
    deaf_seconds: float = 1.0
    # Types that are new are looked up together, and not more often than this.
    new_seconds: float = 0.05


class Lookout:
    """Wakes waiting claims for what happened elsewhere."""

    def __init__(
        self,
        waiters: Waiters,
        reader: Reader,
        wakeups: Wakeups | None,
        observer: Observer,
        limits: LookoutLimits | None = None,
    ) -> None:
        self._waiters = waiters
        self._reader = reader
        self._wakeups = wakeups
        self._observer = observer
        self._limits = limits or LookoutLimits()

    def attend(self, writer: Writer) -> None:
        """Tell other processes what is committed here."""
        if self._wakeups is not None:
            writer.listeners.append(self._announce)

    async def run(self) -> None:
        """Look and listen until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look_around(), name="lookout")
            group.create_task(self._look_up(), name="lookout for what is new")
            if self._wakeups is not None:
                group.create_task(self._wakeups.run(self._lost), name="wake-ups")
                group.create_task(self._listen(self._wakeups), name="lookout for others")

    async def look(self, keys: Sequence[TypeKey]) -> None:
        """Ask the database for some types, and wake those for whom there is something."""
        for first in range(0, len(keys), LOOK_TYPES_MAX):
            asked = keys[first : first + LOOK_TYPES_MAX]
            found = await self._reader.next_due(asked)
            for key in asked:
                self._waiters.found(key, found.get(key))

    @property
    def every_seconds(self) -> float:
        """How long there is between two looks at all that is waited for."""
        if self._wakeups is None or self._wakeups.listening:
            return self._limits.every_seconds
        return self._limits.deaf_seconds

    async def _look_around(self) -> None:
        while True:
            # Earlier rather than later.
            early = random.random() * JITTER_SHARE  # noqa: S311 - no secret
            await asyncio.sleep(self.every_seconds * (1 - early))
            await self._try_to_look(self._waiters.lines())

    async def _look_up(self) -> None:
        while True:
            await self._waiters.unknown.wait()
            await asyncio.sleep(self._limits.new_seconds)
            await self._try_to_look(self._waiters.unknown_lines())

    async def _listen(self, wakeups: Wakeups) -> None:
        while True:
            ready = await wakeups.heard()
            if ready is None:
                await self._try_to_look(self._waiters.lines())
            else:
                self._waiters.wake(ready)

    async def _try_to_look(self, keys: Sequence[TypeKey]) -> None:
        try:
            await self.look(keys)
        except Exception as error:  # noqa: BLE001 - the next look makes up for it
            self._observer.fault("lookout_failed", "", error)

    def _lost(self, error: Exception) -> None:
        self._observer.fault("wakeups_lost", "", error)

    def _announce(self, view: View) -> None:
        assert self._wakeups is not None, "only then it is a listener"
        ready = made_claimable(view)
        if ready:
            self._wakeups.announce(ready)
