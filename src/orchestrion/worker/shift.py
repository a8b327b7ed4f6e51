"""One run of a worker, from its first claim until all it held is finished or given back."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

from orchestrion.client.aio import AsyncOrchestrion
from orchestrion.client.errors import APIError
from orchestrion.client.keeping import Keeper, Send
from orchestrion.client.sync import Orchestrion
from orchestrion.client.task import Beat, Held, Task
from orchestrion.worker.attempt import Equipment
from orchestrion.worker.claiming import (
    WAIT_SECONDS,
    WAIT_SECONDS_AMONG_MANY,
    Claimer,
    Till,
)
from orchestrion.worker.connections import Connections
from orchestrion.worker.context import State
from orchestrion.worker.floor import Floor
from orchestrion.worker.handler import Handler
from orchestrion.worker.lag import Lag
from orchestrion.worker.office import STOPPING, Crew, Office
from orchestrion.worker.recovery import give_back
from orchestrion.worker.reports import Released
from orchestrion.worker.slots import Lane, Slots, lanes_of
from orchestrion.worker.tally import Tally
from orchestrion.worker.work import Work

# How long cancelled handlers may take to say so.
CANCEL_SECONDS: Final = 2.0
# How long a stop may take to tell the server the last endings.
FLUSH_SECONDS: Final = 10.0
LOG: Final = logging.getLogger("orchestrion.worker")


class Roster(msgspec.Struct, frozen=True, kw_only=True):
    """What one run works with: plain values, and what the worker shares with its other runs."""

    name: str
    concurrency: int
    grace: float
    handlers: dict[str, Handler]
    connections: Connections
    equipment: Equipment
    state: State
    tally: Tally
    until_idle: bool = False


class Shift:
    """Runs in the office's loop; `floor_loop` is the handlers', which may be the same."""

    def __init__(self, roster: Roster, floor_loop: asyncio.AbstractEventLoop) -> None:
        self.office: Office | None = None
        self.keeper: Keeper | None = None
        self.claimers: list[Claimer] = []
        self.stopping = asyncio.Event()
        self._roster = roster
        self._floor_loop = floor_loop
        self._lanes = lanes_of(
            {name: handler.options.max_in_flight for name, handler in roster.handlers.items()}
        )
        self._idle: dict[Lane, int] = {}

    async def run(self) -> None:
        """Work until told to stop; raises what no repeat can mend, after giving all back."""
        beating = self._roster.connections.beating()
        client = self._roster.connections.talking()
        self.keeper = Keeper(_beats(beating), clock=self._roster.connections.clock)
        try:
            await self._work(client)
        finally:
            self.keeper.close()
            beating.close()
            await client.close()

    async def _work(self, client: AsyncOrchestrion) -> None:
        office = self._open(client)
        background = [asyncio.create_task(delivery.run()) for delivery in office.deliveries]
        background.append(asyncio.create_task(Lag(self._floor_loop, self._roster.tally).run()))
        roster = self._roster
        types = ", ".join(roster.handlers)
        LOG.info(
            "%s takes %s from %s, %d at once", roster.name, types, client.url, roster.concurrency
        )
        try:
            await self._claim(background)
        finally:
            LOG.info("%s stops with %d tasks in flight", roster.name, office.in_flight)
            try:
                await self._close(client, office)
            finally:
                await _cancelled(background)

    def _open(self, client: AsyncOrchestrion) -> Office:
        assert self.keeper is not None
        roster = self._roster
        slots = Slots(roster.concurrency, self._lanes)
        crew = Crew(
            client=client,
            keeper=self.keeper,
            handlers=roster.handlers,
            state=roster.state,
            slots=slots,
            tally=roster.tally,
            floor_loop=self._floor_loop,
        )
        office = self.office = Office(crew)
        office.floor = Floor(roster.equipment, office.tell)
        till = self._till(client, slots, office)
        self.claimers = [Claimer(till, lane) for lane in self._lanes]
        return office

    def _till(self, client: AsyncOrchestrion, slots: Slots, office: Office) -> Till:
        several = len(self._lanes) > 1
        wait_seconds = WAIT_SECONDS_AMONG_MANY if several else WAIT_SECONDS
        return Till(
            client=client,
            name=self._roster.name,
            slots=slots,
            tally=self._roster.tally,
            wait_seconds=0 if self._roster.until_idle else wait_seconds,
            ready=office.ready,
            hand_over=office.hand_over,
            finished=lambda: office.settled,
            finish=office.finish,
            empty=self._rest if self._roster.until_idle else None,
        )

    async def _claim(self, background: Sequence[asyncio.Task[None]]) -> None:
        """Claim until told to stop; raises what a claimer gives up with, or any other breaks by."""
        if self.stopping.is_set():
            return
        claims = [asyncio.create_task(claimer.run()) for claimer in self.claimers]
        stop = asyncio.create_task(self.stopping.wait())
        endless = [*claims, *background]
        try:
            await asyncio.wait([stop, *endless], return_when=asyncio.FIRST_COMPLETED)
            for each in endless:
                if each.done():
                    each.result()
        finally:
            self.stopping.set()
            await _cancelled([stop, *claims])

    async def _rest(self, lane: Lane, settled: int) -> None:
        """Stop once every lane was found empty and nothing has ended since it was asked."""
        office = self.office
        assert office is not None
        self._idle[lane] = settled
        while office.in_flight:
            await office.change()
        if all(self._idle.get(each) == office.settled for each in self._lanes):
            self.stopping.set()
        await asyncio.sleep(0)

    async def _close(self, client: AsyncOrchestrion, office: Office) -> None:
        office.closing = True
        recovering = asyncio.gather(*(give_back(client, each.under_way) for each in self.claimers))
        await _until_none(office, office.running, self._roster.grace)
        if office.running:
            await self._give_back_the_rest(office)
        await _until_none(office, office.unsent, FLUSH_SECONDS)
        if office.unsent:
            LOG.warning(
                "%d endings could not be told to the server: those tasks come back when their "
                "leases end",
                len(office.unsent),
            )
        await recovering

    async def _give_back_the_rest(self, office: Office) -> None:
        assert office.floor is not None
        LOG.warning(
            "%d tasks are unfinished after the grace of %g s: they are given back",
            len(office.running),
            self._roster.grace,
        )
        works: Sequence[Work] = list(office.running)
        for work in works:
            work.context.end(STOPPING)
        self._floor_loop.call_soon_threadsafe(office.floor.end_all, STOPPING)
        await _until_none(office, office.running, CANCEL_SECONDS)
        for work in works:
            work.take()
            office.settle(work, Released(reason=STOPPING))


async def _until_none(office: Office, held: set[Work], seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while held:
                await office.change()


def _beats(client: Orchestrion) -> Send:
    def send(leases: Sequence[Held]) -> list[Task | APIError]:
        beats = [Beat(id=held.task.id, lease_token=held.lease_token) for held in leases]
        return client.tasks.heartbeat_many(beats)

    return send


async def _cancelled(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
