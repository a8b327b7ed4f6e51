"""Claims that wait, on a writer of a real database, with a clock that tests move."""

import asyncio
from collections.abc import Callable, Sequence

from orchestrion.core.commands import ClaimNext
from orchestrion.core.outcomes import Held, NoTask, Outcome
from orchestrion.core.task import Task
from orchestrion.engine.lookout import Lookout
from orchestrion.engine.room import Patience, Room
from orchestrion.engine.waiters import Waiters
from tests.engine.engines import PATIENCE_SECONDS, Engine
from tests.factories import expect
from tests.unit import asks

PATIENT = Patience(seconds=20, waiters_max=1_000)
# A loop that never rests would starve the threads that read the database.
REST_SECONDS = 0.001


class WaitingRoom:
    """Waiters on an engine, their lookout, and the claims that wait."""

    def __init__(self, engine: Engine, waiters_max: int = 1_500) -> None:
        self.engine = engine
        self.waiters = Waiters(engine.writer, engine.clock, Room(waiters_max))
        self.lookout = Lookout(self.waiters, engine.reader, None, engine.observer)

    def start(
        self, number: int, *types: str, patience: Patience = PATIENT, **changes: object
    ) -> asyncio.Task[Outcome]:
        """Begin a claim with a token of its own."""
        command = asks.claim_next(number, types=types or ("report",), **changes)
        return self.begin(command, patience)

    def begin(self, command: ClaimNext, patience: Patience = PATIENT) -> asyncio.Task[Outcome]:
        """Begin a claim."""
        return asyncio.create_task(self.waiters.claim(command, patience))

    async def waiting(
        self, number: int, *types: str, patience: Patience = PATIENT, **changes: object
    ) -> asyncio.Task[Outcome]:
        """Begin a claim that finds nothing, and go on once it waits."""
        started = self.start(number, *types, patience=patience, **changes)
        taken = self.waiters.room.taken
        await until(lambda: self.waiters.room.taken > taken)
        await self.quiet()
        return started

    async def line(self, *numbers: int) -> list[asyncio.Task[Outcome]]:
        """Begin claims one after the other."""
        return [await self.waiting(number) for number in numbers]

    async def quiet(self) -> None:
        """Wait until nobody asks."""
        await until(lambda: not self.waiters.asking and not self.engine.writer.depth)

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, and do what is due then."""
        self.engine.clock.advance(seconds)
        self.waiters.turn()
        await self.quiet()

    async def look(self) -> None:
        """Look at the database for whoever waits."""
        await self.lookout.look(self.waiters.lines())
        await self.quiet()


async def until(seen: Callable[[], bool]) -> None:
    """Wait until something is the case and stays so."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            if seen():
                return
            await asyncio.sleep(REST_SECONDS)


async def caught(seen: Callable[[], bool]) -> None:
    """Look out for what may be over again in a moment."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            if seen():
                return
            await asyncio.sleep(0)


async def ended(claims: Sequence[asyncio.Task[Outcome]]) -> list[Outcome]:
    """Wait for answers."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await asyncio.gather(*claims)


async def task_of(claim: asyncio.Task[Outcome]) -> Task:
    """Wait for a claim that gets a task."""
    (outcome,) = await ended([claim])
    return expect(Held, outcome).task


async def nothing_for(claim: asyncio.Task[Outcome]) -> NoTask:
    """Wait for a claim that gets nothing."""
    (outcome,) = await ended([claim])
    return expect(NoTask, outcome)


async def given_up(claim: asyncio.Task[Outcome]) -> None:
    """Cancel a claim, as a server does whose client hung up."""
    claim.cancel()
    await asyncio.wait([claim])
    assert claim.cancelled()


async def committing(engine: Engine, calls: int) -> None:
    """Wait until the store was asked for so many transactions."""
    await caught(lambda: engine.watched.calls == calls)
