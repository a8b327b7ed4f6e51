"""Turns the address of a database into an open backend or an operator; nobody else knows all kinds.

The driver of PostgreSQL is optional: what needs it is imported where it is first asked for.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

from orchestrion.core.clock import Clock
from orchestrion.core.faults import StoreRefused, Unavailable
from orchestrion.core.instants import Instant
from orchestrion.core.plans import Catalogue
from orchestrion.engine.clock import SteadyClock
from orchestrion.engine.ports import Reader, Store, Wakeups
from orchestrion.store.address import DatabaseOptions, PostgresUrl, SqliteFile
from orchestrion.store.news import NOBODY, News
from orchestrion.store.operator import Operator
from orchestrion.store.sqlite import backend as sqlite
from orchestrion.store.sqlite.database import Place
from orchestrion.store.sqlite.operator import SqliteOperator

DRIVER: Final = "asyncpg"
NO_DRIVER: Final = (
    "PostgreSQL needs its driver: pip install 'orchestrion[postgres]', "
    "in a clone .venv/bin/pip install --require-hashes -r requirements/postgres.txt"
)


class Backend(Protocol):
    """An open database: what a service runs on."""

    @property
    def clock(self) -> Clock:
        """The database's time."""
        ...

    @property
    def store(self) -> Store:
        """Who writes."""
        ...

    @property
    def reader(self) -> Reader:
        """Who reads."""
        ...

    @property
    def wakeups(self) -> Wakeups | None:
        """Who is in touch with other processes of the same database; None where there are none."""
        ...

    @property
    def warnings(self) -> Sequence[str]:
        """What an operator should know of it, one line each."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


async def open_backend(
    options: DatabaseOptions, catalogue: Catalogue, news: News = NOBODY
) -> Backend:
    """Open the database and give it what it lacks of the schema; raises StoreRefused."""
    match options.address:
        case SqliteFile(path=path):
            return sqlite.Backend(Place(path=path), SteadyClock, catalogue)
        case PostgresUrl(url=url):
            with driver():
                from orchestrion.store.postgres import backend, migrating, place  # noqa: PLC0415
            there = place.Place(
                url=url,
                pooler=options.pooler,
                notify_url=options.notify.url if options.notify else "",
                batches=options.batches,
                news=news,
            )
            await migrating.prepare(there)
            try:
                return await backend.open_backend(
                    there, lambda wall: SteadyClock(Instant(0), wall), catalogue
                )
            except Unavailable as error:
                raise StoreRefused(str(error)) from error


def operator_of(options: DatabaseOptions) -> Operator:
    """Give who works on the database beside servers; raises StoreRefused."""
    match options.address:
        case SqliteFile(path=path):
            return SqliteOperator(path)
        case PostgresUrl(url=url, shown=shown):
            with driver():
                from orchestrion.store.postgres import operator, place  # noqa: PLC0415
            return operator.PostgresOperator(place.Place(url=url, pooler=options.pooler), shown)


@contextmanager
def driver() -> Iterator[None]:
    """Say what to install where the driver is missing; raises StoreRefused."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != DRIVER:
            raise
        raise StoreRefused(NO_DRIVER) from error
