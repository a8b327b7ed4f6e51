"""Holds the leases and talks to the server, in a loop of its own that no handler can block."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

import msgspec

from orchestrion.client.aio import AsyncOrchestrion
from orchestrion.client.calls import GivingBack, release
from orchestrion.client.errors import APIError
from orchestrion.client.keeping import Keeper, Kept
from orchestrion.client.task import Claimed
from orchestrion.worker.context import Context, State
from orchestrion.worker.delivery import Delivery, Parcel, Send, Ways
from orchestrion.worker.floor import Floor
from orchestrion.worker.handler import Handler
from orchestrion.worker.reports import Completed, Failed, Released, Report, cut
from orchestrion.worker.sending import COMPLETE, FAIL, ITEMS_MAX, item_of, several
from orchestrion.worker.slots import Lane, Slots
from orchestrion.worker.tally import Tally
from orchestrion.worker.work import Begun, Ended, Freed, Message, Work

# How long the handlers' loop may take to start what was claimed, before it is given back.
TAKE_SECONDS: Final = 5.0
# Endings that wait to be sent, beyond which nothing more is claimed.
UNSENT_MAX: Final = 1_000
RELEASES_AT_ONCE: Final = 8
STOPPING: Final = "The worker is shutting down"
LOG: Final = logging.getLogger("orchestrion.worker")


class Crew(msgspec.Struct, frozen=True, kw_only=True):
    """Whom the office works with."""

    client: AsyncOrchestrion
    keeper: Keeper
    handlers: Mapping[str, Handler]
    state: State
    slots: Slots
    tally: Tally
    floor_loop: asyncio.AbstractEventLoop


class Office:
    """All that is held: from the claim to the server's word on how it ended."""

    def __init__(self, crew: Crew) -> None:
        self.floor: Floor | None = None
        self.running: set[Work] = set()
        self.unsent: set[Work] = set()
        self.settled = 0
        # After this what a handler leaves undone is given back.
        self.closing = False
        self.changed = asyncio.Event()
        self._crew = crew
        self._loop = asyncio.get_running_loop()
        self._works: dict[Kept, Work] = {}
        self._messages: deque[Message] = deque()
        self._poked = False
        refused = self._refused
        self._completing = self._delivery(partial(self._send, COMPLETE), "completed", self._unfit)
        self._failing = self._delivery(partial(self._send, FAIL), "failed", refused)
        self._releasing = self._delivery(self._release, "released", refused, RELEASES_AT_ONCE)

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """Those who send; each runs for as long as the worker does."""
        return self._completing, self._failing, self._releasing

    @property
    def in_flight(self) -> int:
        """How many tasks are held: handlers that run, and endings nobody has confirmed."""
        return len(self.running | self.unsent)

    def tell(self, message: Message) -> None:
        """Tell the office something; from any thread."""
        self._messages.append(message)
        if not self._poked:
            self._poked = True
            with suppress(RuntimeError):  # The shift is over: nobody asks any more.
                self._loop.call_soon_threadsafe(self._read)

    async def ready(self) -> None:
        """Wait until more may be claimed."""
        while len(self.unsent) >= UNSENT_MAX:
            await self.change()

    async def change(self) -> None:
        """Wait until an attempt has ended, or its ending was confirmed."""
        self.changed.clear()
        await self.changed.wait()

    async def finish(self, count: int) -> None:
        """Wait until more than so many were finished."""
        while self.settled <= count:
            await self.change()

    async def hand_over(self, claimed: Claimed, lane: Lane) -> None:
        """Keep what was claimed, and have it worked on; returns once that has begun."""
        works = self._hold(claimed, lane)
        begun = asyncio.Event()
        floor = self.floor
        assert floor is not None, "the floor opens before the first claim"
        self._crew.floor_loop.call_soon_threadsafe(floor.begin, works, begun.set)
        try:
            async with asyncio.timeout(TAKE_SECONDS):
                await begun.wait()
        except TimeoutError:
            self.give_back(works, "The worker's event loop is blocked")
            await begun.wait()

    def give_back(self, works: Sequence[Work], reason: str) -> None:
        """Release what has not begun."""
        mine = [work for work in works if work.take()]
        for work in mine:
            self.settle(work, Released(reason=reason))
            self._free(work)
        if mine:
            LOG.warning("%d claimed tasks were given back: %s", len(mine), reason)

    def settle(self, work: Work, report: Report | None) -> None:
        """Decide how an attempt ends; the first word counts."""
        if work.settled:
            return
        if work.kept.lost:
            # The keeper knows already, and its word is on the way.
            self._lost(work.kept)
            return
        work.settled = True
        if report is None and self.closing:
            report = Released(reason=STOPPING)
        if report is None:
            self._finished(work, "discarded")
        else:
            self.unsent.add(work)
            self._post(work, report)

    def _delivery(
        self,
        send: Send,
        ending: str,
        refused: Callable[[Work, APIError], None],
        items_max: int = ITEMS_MAX,
    ) -> Delivery:
        delivered = partial(self._finished, ending=ending)
        ways = Ways(
            send=send,
            delivered=delivered,
            over=self._over,
            refused=refused,
            items_max=items_max,
        )
        return Delivery(ways)

    def _hold(self, claimed: Claimed, lane: Lane) -> list[Work]:
        works = []
        for kept in self._crew.keeper.hold_all(claimed, on_lost=self._on_lost):
            task = kept.held.task
            context = Context(task, kept, self._crew.state)
            work = Work(kept, self._crew.handlers[task.type], context, lane)
            self._works[kept] = work
            works.append(work)
        self.running.update(works)
        return works

    def _read(self) -> None:
        self._poked = False
        while self._messages:
            message = self._messages.popleft()
            if isinstance(message, Ended):
                self._note_time(message.work)
                self.settle(message.work, message.report)
            elif isinstance(message, Freed):
                self._free(message.work)
            else:
                assert isinstance(message, Begun)
                message.told()

    def _free(self, work: Work) -> None:
        self.running.discard(work)
        self._crew.slots.give(work.lane)
        self.changed.set()

    def _note_time(self, work: Work) -> None:
        self._crew.tally.note_time(work.handler.type, time.monotonic() - work.began_at)

    def _post(self, work: Work, report: Report) -> None:
        held = work.kept.held
        if isinstance(report, Completed):
            self._completing.put(work, item_of(held, report))
        elif isinstance(report, Failed):
            self._failing.put(work, item_of(held, report))
        else:
            self._releasing.put(work, report.reason.encode())

    async def _send(self, path: str, parcels: Sequence[Parcel]) -> Sequence[APIError | None]:
        call = several(path, [parcel.item for parcel in parcels])
        self._crew.tally.batches += 1
        return await self._crew.client.call(call)

    async def _release(self, parcels: Sequence[Parcel]) -> Sequence[APIError | None]:
        return await asyncio.gather(*map(self._release_one, parcels))

    async def _release_one(self, parcel: Parcel) -> APIError | None:
        held = parcel.work.kept.held
        reason = GivingBack(reason=parcel.item.decode())
        try:
            await self._crew.client.call(release(held.task.id, held.lease_token, reason))
        except APIError as error:
            return error
        return None

    def _finished(self, work: Work, ending: str) -> None:
        """Let go of a lease: the server has had the last word on it."""
        self._crew.keeper.drop(work.kept)
        self._works.pop(work.kept, None)
        self.unsent.discard(work)
        self._crew.tally.ended[work.handler.type, ending] += 1
        self.settled += 1
        self.changed.set()

    def _over(self, work: Work, why: str) -> None:
        _warn_lost(work, why)
        self._finished(work, "lost")

    def _unfit(self, work: Work, error: APIError) -> None:
        LOG.error("%s: its result was refused: %s", work, error)
        self._post(work, Failed(reason=cut(f"Result refused: {error.message}")))

    def _refused(self, work: Work, error: APIError) -> None:
        LOG.error("%s: what became of it could not be told: %s", work, error)
        self._finished(work, "discarded")

    def _on_lost(self, kept: Kept) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._lost, kept)

    def _lost(self, kept: Kept) -> None:
        work = self._works.get(kept)
        if work is None or work.settled:
            return  # The answer to its ending says what became of it.
        work.settled = True
        _warn_lost(work, "it was not renewed in time, or somebody ended it")
        self._finished(work, "lost")
        if self.floor is not None:
            self._crew.floor_loop.call_soon_threadsafe(self.floor.end, work, "the lease is lost")


def _warn_lost(work: Work, why: str) -> None:
    LOG.warning(
        "%s: lease lost %.1f s after it was last confirmed (%s); its result is discarded",
        work,
        work.kept.silent_seconds,
        why,
    )
