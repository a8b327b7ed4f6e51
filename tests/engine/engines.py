"""A writer on a real file, with nothing of HTTP around it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import apsw
import msgspec

from orchestrion.core.account import Account
from orchestrion.core.commands import Command
from orchestrion.core.outcomes import Outcome
from orchestrion.core.plans import SELF_HOSTED, Catalogue
from orchestrion.core.view import Needs, View
from orchestrion.engine.overload import QueueLimits
from orchestrion.engine.ports import Store
from orchestrion.engine.writer import Writer
from orchestrion.store import rows
from orchestrion.store.named import load_statements
from orchestrion.store.sqlite.database import Place, open_reader, open_writer
from orchestrion.store.sqlite.loading import Loader
from orchestrion.store.sqlite.store import SqliteStore
from tests.clocks import SettableClock
from tests.factories import ACCOUNT, NOW
from tests.observers import KeepingObserver

PATIENCE_SECONDS = 20.0
SQL = load_statements("orchestrion.store.sqlite")

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


class Engine(msgspec.Struct, frozen=True, kw_only=True):
    """A running writer, and what is under it."""

    writer: Writer
    store: SqliteStore
    watched: Watched
    connection: apsw.Connection
    beside: apsw.Connection
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
        """Ask the file for a number, beside the writer and its checkpoints."""
        return int(self.beside.execute(sql).get)


class EngineOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What varies between engines."""

    catalogue: Catalogue = SELF_HOSTED
    queue: QueueLimits = QueueLimits()
    vfs: str = ""
    # Long waits for another connection's lock are SQLite's to test, not ours.
    busy_timeout_ms: int = 1


@asynccontextmanager
async def running_engine(path: Path, options: EngineOptions | None = None) -> AsyncIterator[Engine]:
    """Run a writer on the file, which gets an account if it is new."""
    options = options or EngineOptions()
    connection = open_writer(Place(path=path, vfs=options.vfs))
    connection.set_busy_timeout(options.busy_timeout_ms)
    add_account(connection, ACCOUNT)
    clock, observer = SettableClock(NOW), KeepingObserver()
    store = SqliteStore(connection, clock, Loader(connection, options.catalogue.lease_bounds))
    watched = Watched(store)
    writer = Writer(watched, options.catalogue, clock, observer, options.queue)
    running = asyncio.create_task(writer.run())
    beside = open_reader(Place(path=path))
    try:
        yield Engine(
            writer=writer,
            store=store,
            watched=watched,
            connection=connection,
            beside=beside,
            clock=clock,
            observer=observer,
            running=running,
        )
        writer.stop()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await running
    finally:
        running.cancel()
        beside.close()
        await store.close()


def add_account(connection: apsw.Connection, account: Account) -> None:
    """Write the row of an account, unless it is there."""
    if connection.execute(SQL["load_account"], {"account_id": account.id}).get is None:
        connection.execute(SQL["insert_account"], rows.account_insert_row(account))
