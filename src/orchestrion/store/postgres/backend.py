"""The shared database as one server uses it: its time, its writer and its readers."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from orchestrion.core.clock import Clock
from orchestrion.core.instants import Instant
from orchestrion.core.plans import Catalogue
from orchestrion.store.postgres.connecting import Pool
from orchestrion.store.postgres.faults import before_commit
from orchestrion.store.postgres.loading import SQL, Loader
from orchestrion.store.postgres.moment import DatabaseTime
from orchestrion.store.postgres.notifying import Deaf, PostgresWakeups, wakeups_of
from orchestrion.store.postgres.place import LONG_READER, READER, WRITER, Place
from orchestrion.store.postgres.reading import PostgresReader, ReadPools
from orchestrion.store.postgres.store import PostgresStore


class Sessions(NamedTuple):
    """What a backend keeps up besides: its pools, and who listens."""

    pools: tuple[Pool, ...]
    wakeups: PostgresWakeups | Deaf


class Backend:
    """An open database."""

    def __init__(
        self, store: PostgresStore, reader: PostgresReader, clock: Clock, sessions: Sessions
    ) -> None:
        self.store = store
        self.reader = reader
        self.clock = clock
        self.wakeups = sessions.wakeups
        self._pools = sessions.pools

    @property
    def warnings(self) -> Sequence[str]:
        """What the server was found to risk, one line each."""
        return [warning for pool in self._pools for warning in pool.warnings]

    async def close(self) -> None:
        """Close every connection."""
        for pool in self._pools:
            await pool.close()


async def open_backend(
    place: Place,
    make_clock: Callable[[Callable[[], float]], Clock],
    catalogue: Catalogue,
    given: Clock | None = None,
) -> Backend:
    """Connect to a database whose tables are there; raises Unavailable or StoreRefused.

    `make_clock` gets the database's time in seconds. Where `given` is a clock, its time stands in
    for the database's, in transactions too.
    """
    writers = Pool(place, place.writers, WRITER)
    quick = Pool(place, place.readers, READER)
    long = Pool(place, place.long_readers, LONG_READER)
    await writers.open()
    try:
        time = DatabaseTime(await _now(writers))
    except BaseException:
        await writers.close()
        raise
    clock = make_clock(time)
    loader = Loader(catalogue.lease_bounds, given, place.batches)
    return Backend(
        PostgresStore(writers, loader, time.observe),
        PostgresReader(ReadPools(quick, long, loader.one_account), clock, given),
        clock,
        Sessions((writers, quick, long), wakeups_of(place)),
    )


async def _now(pool: Pool) -> Instant:
    async with pool.connection() as session:
        try:
            now: Instant = await session.fetchval(SQL["read_moment"], None)
        except Exception as error:
            raise before_commit(error) from error
    return now
