"""Asks for tasks of one lane, for ever: never more than there are free slots."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from orchestrion.client.aio import AsyncOrchestrion
from orchestrion.client.calls import new_key
from orchestrion.client.errors import (
    APIError,
    ConnectionFailed,
    IdempotencyConflict,
    OrchestrionError,
    UnreadableAnswer,
)
from orchestrion.client.task import Claimed
from orchestrion.worker.pausing import Pauses
from orchestrion.worker.slots import Lane, Slots
from orchestrion.worker.tally import Tally

WAIT_SECONDS: Final = 50
# With several lanes nobody's slots may lie idle for long.
WAIT_SECONDS_AMONG_MANY: Final = 5
# An empty answer that came sooner than this share of the wait was not waited for.
WAITED_SHARE: Final = 0.5
# While an account may not claim, until somebody has done something about it.
FORBIDDEN_SECONDS: Final = 60.0
# A server notices within this time that somebody has hung up.
HANG_UP_SECONDS: Final = 0.1
LOG: Final = logging.getLogger("orchestrion.worker")
_PAYMENT_REQUIRED: Final = 402
_TOO_MANY: Final = 429
_FAULT: Final = 500


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One claim, sent until it is answered: the key makes repeats hand out the same tasks."""

    types: tuple[str, ...]
    count: int
    key: str


class Till(msgspec.Struct, frozen=True, kw_only=True):
    """What a claimer works with. `ready` is awaited before a claim, `hand_over` after it."""

    client: AsyncOrchestrion
    name: str
    slots: Slots
    tally: Tally
    wait_seconds: int
    ready: Callable[[], Awaitable[None]]
    hand_over: Callable[[Claimed, Lane], Awaitable[None]]
    # Told of an empty answer; whoever wants no pause after it says so.
    empty: Callable[[Lane], Awaitable[None]] | None = None


class Claimer:
    """The claims of one lane."""

    def __init__(self, till: Till, lane: Lane) -> None:
        self.reached = False
        self._till = till
        self._lane = lane
        self._open: Ask | None = None
        self._empty = Pauses()
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

    async def recover(self) -> tuple[Ask, Claimed] | None:
        """After a cancel: give what a claim under way has brought, for it to be released."""
        if self._open is None:
            return None
        await asyncio.sleep(HANG_UP_SECONDS)
        return self._open, await self._send(self._open, 0)

    async def _claim(self, count: int) -> Claimed:
        ask = Ask(types=self._lane.types, count=count, key=new_key())
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                self._open = ask
                claimed = await self._send(ask, self._till.wait_seconds)
                self._open = None
            except OrchestrionError as error:
                ask = await self._refused(ask, error)
                continue
            self._back()
            self._lane.idle = not claimed.leases
            if claimed.leases:
                self._empty.reset()
                self._till.tally.claims["found"] += 1
            else:
                self._till.tally.claims["empty"] += 1
                await self._rest(loop.time() - began)
            return claimed

    async def _send(self, ask: Ask, wait_seconds: int) -> Claimed:
        return await self._till.client.tasks.claim(
            ask.types,
            worker_id=self._till.name,
            wait_seconds=wait_seconds,
            max_tasks=ask.count,
            idempotency_key=ask.key,
        )

    async def _rest(self, waited: float) -> None:
        if self._till.empty is not None:
            await self._till.empty(self._lane)
        elif waited < self._till.wait_seconds * WAITED_SHARE:
            # The server did not wait: it is stopping, or too busy, or has more who wait.
            await asyncio.sleep(self._empty.next())
        else:
            self._empty.reset()

    async def _refused(self, ask: Ask, error: OrchestrionError) -> Ask:
        """Wait as long as it takes; gives the claim to send then."""
        if isinstance(error, ConnectionFailed | UnreadableAnswer):
            await self._wait_away(str(error), None)
            return ask
        if not isinstance(error, APIError):
            raise error
        self._till.tally.refused[error.code] += 1
        if error.status >= _FAULT:
            await self._wait_away(str(error), error.retry_after)
            return ask
        # Refused for certain: nothing was handed out under this key.
        self._open = None
        if error.status == _TOO_MANY:
            self._back()
            LOG.info("the server asks to wait: %s", error)
            await asyncio.sleep(self._empty.next(error.retry_after))
        elif error.status == _PAYMENT_REQUIRED:
            LOG.warning("no tasks for this account now, asking again later: %s", error)
            await asyncio.sleep(FORBIDDEN_SECONDS)
        elif not isinstance(error, IdempotencyConflict):
            raise error
        return Ask(types=ask.types, count=ask.count, key=new_key())

    async def _wait_away(self, why: str, asked: float | None) -> None:
        if self.reached or not self._away.tries:
            LOG.warning("the server does not answer, trying on: %s", why)
        self.reached = False
        await asyncio.sleep(self._away.next(asked))

    def _back(self) -> None:
        if self._away.tries:
            LOG.warning("the server answers again")
        self.reached = True
        self._away.reset()
