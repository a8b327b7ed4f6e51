"""A writer on a real database, with nothing of HTTP around it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

import msgspec

from orchestrion.core.commands import Command
from orchestrion.core.outcomes import Outcome
from orchestrion.core.plans import SELF_HOSTED, Catalogue
from orchestrion.core.view import Needs, View
from orchestrion.engine.overload import QueueLimits
from orchestrion.engine.ports import Reader, Store
from orchestrion.engine.writer import Writer
from tests.clocks import SettableClock
from tests.databases import CountingStore, Database, add_accounts, count
from tests.factories import ACCOUNT
from tests.observers import KeepingObserver

PATIENCE_SECONDS = 60.0

R = TypeVar("R")


class Watched:
    """The real store, which a test watches, holds or breaks; fits `engine.ports.Store`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.calls = 0
        self.faults: list[BaseException] = []
        self.committed = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.on_fault: Callable[[], object] = lambda: None
        self.after_commit: Callable[[], object] = lambda: None

    @property
    def one_account(self) -> bool:
        """Say what the store says."""
        return self._store.one_account

    @property
    def lanes(self) -> int:
        """Say what the store says."""
        return self._store.lanes

    async def transact(self, needs: Needs, decide: Callable[[View], R]) -> R:
        """Have the store do it, then wait until the test lets the answer through."""
        self.calls += 1
        try:
            result = await self._store.transact(needs, decide)
        except BaseException as fault:
            self.faults.append(fault)
            self.on_fault()
            raise
        self.committed.set()
        await self.go_on.wait()
        self.after_commit()
        return result


class Opened(Protocol):
    """What a writer is run on, and what reads beside it."""

    @property
    def store(self) -> CountingStore:
        """Where it commits."""
        ...

    @property
    def reader(self) -> Reader:
        """What reads beside it."""
        ...


class Engine(msgspec.Struct, frozen=True, kw_only=True):
    """A running writer, and what is under it."""

    writer: Writer
    store: CountingStore
    reader: Reader
    watched: Watched
    database: Database
    clock: SettableClock
    observer: KeepingObserver
    running: asyncio.Task[None]

    async def together(self, commands: Iterable[Command]) -> list[Outcome]:
        """Submit commands at once, as concurrent requests do."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await asyncio.gather(*map(self.writer.submit, commands))

    async def faults(self, commands: Iterable[Command]) -> list[Outcome | BaseException]:
        """Submit commands at once, and give what each caller got, faults included."""
        submitted = map(self.writer.submit, commands)
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await asyncio.gather(*submitted, return_exceptions=True)

    def count(self, sql: str) -> int:
        """Ask the database for a number, beside the writer."""
        return count(self.database, sql)


class EngineOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What varies between engines."""

    catalogue: Catalogue = SELF_HOSTED
    queue: QueueLimits = QueueLimits()


@asynccontextmanager
async def running_engine(
    database: Database, options: EngineOptions | None = None
) -> AsyncIterator[Engine]:
    """Run a writer on the database, which gets an account if it is new."""
    options = options or EngineOptions()
    add_accounts(database, ACCOUNT)
    backend = await database.open(options.catalogue)
    try:
        async with writing(database, backend, options) as engine:
            yield engine
    finally:
        await backend.close()


@asynccontextmanager
async def writing(
    database: Database, backend: Opened, options: EngineOptions
) -> AsyncIterator[Engine]:
    """Run a writer on an open database."""
    clock, observer, watched = database.clock, KeepingObserver(), Watched(backend.store)
    writer = Writer(watched, options.catalogue, clock, observer, options.queue)
    running = asyncio.create_task(writer.run())
    try:
        yield Engine(
            writer=writer,
            store=backend.store,
            reader=backend.reader,
            watched=watched,
            database=database,
            clock=clock,
            observer=observer,
            running=running,
        )
        writer.stop()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await running
    finally:
        running.cancel()
