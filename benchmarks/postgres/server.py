"""A PostgreSQL server to measure: its settings are those it comes with, its files on a disk."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final

from benchmarks.filling import Account
from benchmarks.processes import cpu_seconds_of
from orchestrion.core.instants import Instant
from orchestrion.core.plans import SELF_HOSTED
from orchestrion.engine.clock import SteadyClock
from orchestrion.store.postgres.backend import Backend, open_backend
from orchestrion.store.postgres.migrating import prepare
from orchestrion.store.postgres.operator import PostgresOperator
from orchestrion.store.postgres.place import Place
from tests.postgres import PostgresServer

# The server's own user must reach it, and what lies there outlives a restart: it is on a disk.
FOLDER: Final = Path("/var/tmp")
# The tests' servers are started for speed; these are PostgreSQL's defaults.
DEFAULTS: Final = MappingProxyType(
    {
        "fsync": "on",
        "full_page_writes": "on",
        "checkpoint_timeout": "5min",
        "max_wal_size": "1GB",
        "wal_level": "replica",
        "max_wal_senders": "10",
        "shared_buffers": "128MB",
        "timezone": "UTC",
    }
)


@contextmanager
def server() -> Iterator[PostgresServer]:
    """Run a server on both cores until the end of the block."""
    with PostgresServer(DEFAULTS, FOLDER) as started:
        yield started


async def new_account(url: str) -> Account:
    """Make an account in a database; the tables as well where there are none."""
    place = Place(url=url)
    await prepare(place)
    created = await PostgresOperator(place, place.shown).create_key(None, None)
    return Account(account_id=created.account_id, key=created.key)


async def opened(url: str, lanes: int = 1) -> Backend:
    """Open a database as a server does."""
    place = Place(url=url, writers=lanes)
    return await open_backend(place, clock, SELF_HOSTED)


def clock(wall: Callable[[], float]) -> SteadyClock:
    """Follow the database's time."""
    return SteadyClock(Instant(0), wall)


def cpu_seconds(started: PostgresServer) -> float:
    """Read what the server's processes, those that live, have used so far."""
    pid = started.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    return sum(map(cpu_seconds_of, (pid, *map(int, children))))
