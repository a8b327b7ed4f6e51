"""Asks for tasks of one lane, for ever: never more than there are free slots."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import msgspec
from msgspec.structs import replace

from orchestrion.client.aio import AsyncOrchestrion
from orchestrion.client.calls import Claiming, claim, new_key
from orchestrion.client.errors import (
    APIError,
    ConnectionFailed,
    IdempotencyConflict,
    MaxWorkersReached,
    OrchestrionError,
    UnreadableAnswer,
)
from orchestrion.client.task import Claimed
from orchestrion.worker.pausing import IDLE_SECONDS_MAX, Pauses
from orchestrion.worker.slots import Lane, Slots
from orchestrion.worker.tally import Tally

WAIT_SECONDS: Final = 50
# With several lanes nobody's slots may lie idle for long.
WAIT_SECONDS_AMONG_MANY: Final = 5
# A server that answers sooner than this that there is nothing has not waited for it.
WAITED_SECONDS: Final = 0.5
# While an account may not claim, until somebody has done something about it.
FORBIDDEN_SECONDS: Final = 60.0
LOG: Final = logging.getLogger("orchestrion.worker")
_PAYMENT_REQUIRED: Final = 402
_TOO_MANY: Final = 429
_FAULT: Final = 500


class Till(msgspec.Struct, frozen=True, kw_only=True):
    """What claimers work with. `ready` is awaited before a claim, `hand_over` after it.

    `finished` counts what was finished; `finish` waits until it is more than a count. `empty` is
    awaited after an empty answer, in place of a pause, with the count before the claim.
    """

    client: AsyncOrchestrion
    name: str
    slots: Slots
    tally: Tally
    wait_seconds: int
    ready: Callable[[], Awaitable[None]]
    hand_over: Callable[[Claimed, Lane], Awaitable[None]]
    finished: Callable[[], int]
    finish: Callable[[int], Awaitable[None]]
    empty: Callable[[Lane, int], Awaitable[None]] | None = None


class Claimer:
    """The claims of one lane."""

    def __init__(self, till: Till, lane: Lane) -> None:
        self.reached = False
        # A claim whose answer nobody knows: what it handed out stands, under its key.
        self.under_way: Claiming | None = None
        self._till = till
        self._lane = lane
        self._limited = False
        self._empty = Pauses(IDLE_SECONDS_MAX)
        self._away = Pauses()

    async def run(self) -> None:
        """Claim until cancelled; raises the APIError that no repeat can mend, such as a bad key."""
        while True:
            await self._till.ready()
            count = await self._till.slots.take(self._lane)
            try:
                claimed = await self._claim(count)
                count -= len(claimed.leases)
            finally:
                self._till.slots.give(self._lane, count)
            if claimed.leases:
                await self._till.hand_over(claimed, self._lane)
            # Others who wait for slots come first.
            await asyncio.sleep(0)

    async def _claim(self, count: int) -> Claimed:
        ask = self._ask(count)
        loop = asyncio.get_running_loop()
        while True:
            began, finished = loop.time(), self._till.finished()
            self.under_way = ask
            try:
                # The key makes a repeat hand out the same tasks. Whether the server is there at
                # all is not to be learnt at the end of a long wait only.
                asked = ask if self.reached else replace(ask, wait_seconds=0)
                claimed = await self._till.client.call(claim(asked))
            except OrchestrionError as error:
                if await self._refused(error, finished):
                    ask = self._ask(count)
                continue
            self.under_way = None
            await self._answered(claimed, loop.time() - began, finished)
            return claimed

    def _ask(self, count: int) -> Claiming:
        return Claiming(
            types=self._lane.types,
            worker_id=self._till.name,
            wait_seconds=self._till.wait_seconds,
            max_tasks=count,
            idempotency_key=new_key(),
        )

    async def _answered(self, claimed: Claimed, waited: float, finished: int) -> None:
        self._back()
        self._lane.idle = not claimed.leases
        self._till.tally.claims["found" if claimed.leases else "empty"] += 1
        self._limited = self._limited and not claimed.leases
        if claimed.leases or waited >= WAITED_SECONDS:
            self._empty.reset()
        elif self._till.empty is not None:
            await self._till.empty(self._lane, finished)
        else:
            # The server did not wait: it is stopping, or too busy, or too old.
            await asyncio.sleep(self._empty.next())

    async def _refused(self, error: OrchestrionError, finished: int) -> bool:
        """Wait as long as it takes; tells whether the claim was refused for certain."""
        if isinstance(error, ConnectionFailed | UnreadableAnswer):
            await self._wait_away(error, None)
            return False
        if not isinstance(error, APIError):
            raise error
        self._till.tally.refused[error.code] += 1
        # What is not the server's own answer comes from something before it.
        if error.status >= _FAULT or not error.refusal.own:
            await self._wait_away(error, error.retry_after)
            return False
        self.under_way = None
        if error.status == _TOO_MANY:
            self._back()
            await self._wait_limited(error, finished)
        elif error.status == _PAYMENT_REQUIRED:
            LOG.warning("no tasks for this account now, asking again later: %s", error)
            await asyncio.sleep(FORBIDDEN_SECONDS)
        elif not isinstance(error, IdempotencyConflict):
            raise error
        return True

    async def _wait_limited(self, error: APIError, finished: int) -> None:
        if not self._limited:
            LOG.info("the server asks to wait, trying on: %s", _shortly(error))
        self._limited = True
        pause = self._empty.next(error.retry_after)
        if not isinstance(error, MaxWorkersReached):
            await asyncio.sleep(pause)
            return
        # The server does not know how soon the leases that count are finished; this worker does.
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._till.finish(finished)

    async def _wait_away(self, error: Exception, asked: float | None) -> None:
        if not self._away.tries:
            LOG.warning("the server does not answer, trying on: %s", _shortly(error))
        self.reached = False
        await asyncio.sleep(self._away.next(asked))

    def _back(self) -> None:
        if self._away.tries:
            LOG.warning("the server answers again")
        self.reached = True
        self._away.reset()


def _shortly(error: Exception) -> str:
    # What a caller might do next, the worker does.
    return str(error).partition(" Next:")[0]


def once_more(ask: Claiming) -> Claiming:
    """Give the same claim without its wait: it shows what the first has brought."""
    return replace(ask, wait_seconds=0)
