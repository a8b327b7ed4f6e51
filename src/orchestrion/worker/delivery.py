"""Tells the server how attempts ended: what ends while a request is under way shares the next."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from orchestrion.client.errors import APIError, OrchestrionError
from orchestrion.worker.pausing import Pauses
from orchestrion.worker.sending import BYTES_MAX, ITEMS_MAX
from orchestrion.worker.work import Work

LOG: Final = logging.getLogger("orchestrion.worker")
_OVER: Final = frozenset({404, 409})
_TOO_MANY: Final = 429
_FAULT: Final = 500
_UNAUTHORIZED: Final = 401
_TOO_LARGE: Final = 413


class Parcel(msgspec.Struct, frozen=True):
    """One ending on its way; `last`: after this try nothing more is expected of it."""

    work: Work
    item: bytes
    last: bool = False


# Gives for each ending what it was refused with, or None.
Send = Callable[[Sequence[Parcel]], Awaitable[Sequence[APIError | None]]]


class Ways(msgspec.Struct, frozen=True, kw_only=True):
    """How endings travel, and who is told what became of one of them.

    `over`: the attempt was not this worker's any more. `refused`: for good, for the reason given.
    """

    send: Send
    delivered: Callable[[Work], None]
    over: Callable[[Work, str], None]
    refused: Callable[[Work, APIError], None]
    items_max: int = ITEMS_MAX


class Delivery:
    """Sends one kind of ending; repeats until it is answered, or once after the lease."""

    def __init__(self, ways: Ways) -> None:
        self._ways = ways
        self._parcels: deque[Parcel] = deque()
        self._filled = asyncio.Event()
        self._pauses = Pauses()

    def put(self, work: Work, item: bytes) -> None:
        """Have an ending sent, with the next request."""
        self._parcels.append(Parcel(work, item))
        self._filled.set()

    async def run(self) -> None:
        """Send for ever."""
        while True:
            await self._filled.wait()
            batch = self._next()
            if not self._parcels:
                self._filled.clear()
            if batch:
                await self._send(batch)

    def _next(self) -> list[Parcel]:
        batch: list[Parcel] = []
        size = 0
        while self._parcels and len(batch) < self._ways.items_max:
            size += len(self._parcels[0].item)
            if batch and size > BYTES_MAX:
                break
            batch.append(self._parcels.popleft())
        return batch

    async def _send(self, batch: list[Parcel]) -> None:
        try:
            answers = await self._ways.send(batch)
        except APIError as error:
            if not _may_pass(error) and len(batch) > 1:
                # One of them spoils it for all: each has to speak for itself.
                for parcel in batch:
                    await self._send([parcel])
                return
            answers = [error] * len(batch)
        except OrchestrionError as error:
            await self._wait(batch, error, None)
            return
        later = [each for each in zip(batch, answers, strict=True) if not self._took(*each)]
        if later:
            asked = max((error.retry_after or 0 for _, error in later if error), default=0)
            await self._wait([parcel for parcel, _ in later], later[0][1], asked)
        else:
            self._pauses.reset()

    def _took(self, parcel: Parcel, error: APIError | None) -> bool:
        """Tell whether this was the last word on an ending."""
        if error is None:
            self._ways.delivered(parcel.work)
        elif _may_pass(error):
            return False
        elif error.status in _OVER:
            self._ways.over(parcel.work, error.message)
        else:
            self._ways.refused(parcel.work, error)
        return True

    async def _wait(
        self, batch: Sequence[Parcel], error: Exception | None, asked: float | None
    ) -> None:
        LOG.debug("%d endings were not taken, they are sent again: %s", len(batch), error)
        for parcel in reversed(batch):
            if parcel.work.kept.remaining > 0:
                self._parcels.appendleft(parcel)
            elif not parcel.last:
                # It may have been taken, and be why the lease is over: the repeat tells.
                self._parcels.appendleft(replace(parcel, last=True))
            else:
                self._ways.over(parcel.work, f"the server could not be told: {error}")
        if self._parcels:
            self._filled.set()
            await asyncio.sleep(self._pauses.next(asked))


def _may_pass(error: APIError) -> bool:
    if not error.refusal.own and error.status != _TOO_LARGE:
        return True  # Something on the way answers for a server that is away.
    return error.status in (_TOO_MANY, _UNAUTHORIZED) or error.status >= _FAULT
