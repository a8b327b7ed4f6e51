"""A writer on a file, with its connection at hand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import apsw
import msgspec
from msgspec.structs import asdict

from orchestrion.store.named import load_statements
from orchestrion.store.sqlite.database import Place, open_reader, open_writer
from orchestrion.store.sqlite.loading import Loader
from orchestrion.store.sqlite.reading import SqliteReader
from orchestrion.store.sqlite.store import SqliteStore
from tests.databases import SqliteDatabase, add_accounts
from tests.engine.engines import Engine, EngineOptions, writing
from tests.factories import ACCOUNT

SQL = load_statements("orchestrion.store.sqlite")


class FileOptions(EngineOptions, frozen=True, kw_only=True):
    """What varies between engines on a file."""

    vfs: str = ""
    # Long waits for another connection's lock are SQLite's to test, not ours.
    busy_timeout_ms: int = 1


class FileParts(msgspec.Struct, frozen=True):
    """A store and a reader of one file."""

    store: SqliteStore
    reader: SqliteReader


class FileEngine(Engine, frozen=True, kw_only=True):
    """A running writer on a file."""

    connection: apsw.Connection
    beside: apsw.Connection


@asynccontextmanager
async def running_engine(
    path: Path, options: FileOptions | None = None
) -> AsyncIterator[FileEngine]:
    """Run a writer on the file, which gets an account if it is new."""
    options = options or FileOptions()
    connection = open_writer(Place(path=path, vfs=options.vfs))
    connection.set_busy_timeout(options.busy_timeout_ms)
    with closing(SqliteDatabase(path)) as database:
        add_accounts(database, ACCOUNT)
        loader = Loader(connection, options.catalogue.lease_bounds)
        store = SqliteStore(connection, database.clock, loader)
        reader = SqliteReader(Place(path=path), database.clock)
        beside = open_reader(Place(path=path))
        try:
            async with writing(database, FileParts(store, reader), options) as engine:
                yield FileEngine(**asdict(engine), connection=connection, beside=beside)
        finally:
            beside.close()
            await reader.close()
            await store.close()
