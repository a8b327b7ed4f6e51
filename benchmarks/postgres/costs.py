"""What an operation costs PostgreSQL: round trips, commits, flushes of the WAL, bytes of WAL."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec

from benchmarks.conditions import Conditions
from benchmarks.embedded import Engine, engine, in_own_process
from benchmarks.figures import Figure
from benchmarks.filling import Account
from benchmarks.postgres.server import clock, new_account, server
from orchestrion.core.plans import SELF_HOSTED
from orchestrion.core.task import Task
from orchestrion.store.postgres.backend import Backend, Sessions
from orchestrion.store.postgres.connecting import Pool
from orchestrion.store.postgres.loading import Loader
from orchestrion.store.postgres.notifying import Deaf
from orchestrion.store.postgres.place import READER, Place
from orchestrion.store.postgres.reading import PostgresReader, ReadPools
from orchestrion.store.postgres.session import Session
from orchestrion.store.postgres.store import PostgresStore

LIVES = 6_400
FEW_LIVES = 100
CALLERS = (64, 1)
OPERATIONS_PER_LIFE = 3
WARM_LIVES = 64
# PostgreSQL 18 moved the count of flushes to another view.
SYNCS = {
    18: "select sum(fsyncs) from pg_stat_io where object = 'wal'",
    15: "select wal_sync from pg_stat_wal",
}
WAL_BYTES = "select wal_bytes from pg_stat_wal"
KINDS = ("creations", "claims", "completions")
SETTLED_SECONDS = 2.0


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What the measuring process is told."""

    url: str
    account: Account


class Costs(msgspec.Struct, kw_only=True):
    """What was counted; per operation, and per batch of one kind of operation."""

    per_operation: dict[str, dict[int, float]]
    trips: dict[str, float]


class CountingPool(Pool):
    """A pool that counts the statements its sessions send: each is one round trip."""

    def __init__(self, place: Place) -> None:
        super().__init__(place, 1)
        self.trips = 0

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Session]:
        async with super().connection() as session:
            session.add_query_logger(self._count)
            yield session

    def _count(self, _: Any) -> None:  # noqa: ANN401 - the driver's
        self.trips += 1


def measure(conditions: Conditions) -> list[Figure]:
    """Count in a run of its own."""
    with server() as database:
        url = database.url()
        given = Given(url=url, account=asyncio.run(new_account(url)))
        costs = in_own_process([conditions.cores.server], _measure, given)
    return [
        *(
            Figure(name=f"round trips per batch of {kind}", unit="", samples=[trips])
            for kind, trips in costs.trips.items()
        ),
        *(
            Figure(
                name=f"{what} per operation, {callers} caller{'s' * (callers > 1)}",
                unit="B" if what == "bytes of WAL" else "",
                samples=[one],
            )
            for what, counted in costs.per_operation.items()
            for callers, one in counted.items()
        ),
    ]


async def _measure(given: Given) -> Costs:
    costs = Costs(per_operation={}, trips={})
    for callers in CALLERS:
        lives = LIVES if callers > 1 else FEW_LIVES
        before = await _counted(given.url)
        pool, backend = await _opened(given.url)
        async with engine(backend, given.account) as used:
            await _lives(used, callers, lives // callers)
            commits = backend.store.commits
        after = await _counted(given.url)
        operations = lives * OPERATIONS_PER_LIFE
        found = {
            "commits": commits,
            "round trips": pool.trips,
            **{what: after[what] - before[what] for what in after},
        }
        for what, count in found.items():
            costs.per_operation.setdefault(what, {})[callers] = count / operations
    costs.trips = await _trips(given)
    return costs


async def _opened(url: str) -> tuple[CountingPool, Backend]:
    place = Place(url=url)
    pool, other = CountingPool(place), Pool(place, 1, READER)
    await pool.open()
    own = clock(_no_time)
    loader = Loader(SELF_HOSTED.lease_bounds, None, place.batches)
    store = PostgresStore(pool, loader, lambda _: None)
    reader = PostgresReader(ReadPools(other, other, one_account=False), own, None)
    return pool, Backend(store, reader, own, Sessions((pool, other), Deaf()))


async def _trips(given: Given) -> dict[str, float]:
    """Let as many callers as fit one batch do the same, kind after kind."""
    pool, backend = await _opened(given.url)
    found = {}
    async with engine(backend, given.account) as used:
        # The first time the driver asks for each statement to be prepared.
        await _lives(used, 1, WARM_LIVES)
        tasks: list[Task] = []
        for kind in KINDS:
            trips, commits = pool.trips, backend.store.commits
            done = await asyncio.gather(*_work(kind, used, tasks))
            tasks = [one for one in done if one is not None]
            found[kind] = (pool.trips - trips) / (backend.store.commits - commits)
    return found


def _work(kind: str, used: Engine, tasks: list[Task]) -> list[Coroutine[Any, Any, Task | None]]:
    if kind == "creations":
        return [used.create() for _ in range(CALLERS[0])]
    if kind == "claims":
        return [used.claim() for _ in range(CALLERS[0])]
    return [used.complete(task) for task in tasks]


async def _lives(used: Engine, callers: int, each: int) -> None:
    async def some() -> None:
        for _ in range(each):
            await used.live()

    await asyncio.gather(*(some() for _ in range(callers)))


async def _counted(url: str) -> dict[str, float]:
    """Read the server's own counts; a session adds its own to them when it ends."""
    await asyncio.sleep(SETTLED_SECONDS)
    session = await asyncpg.connect(url)
    version = session.get_server_version().major
    syncs = await session.fetchval(SYNCS[18] if version >= 18 else SYNCS[15])
    written = await session.fetchval(WAL_BYTES)
    await session.close()
    return {"flushes of the WAL": float(syncs), "bytes of WAL": float(written)}


def _no_time() -> float:
    return 0.0
