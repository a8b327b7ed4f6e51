"""A database that servers use gets no copy, and a copy is not verified while one uses it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from orchestrion.copying.transfer import copy
from orchestrion.core.faults import StoreRefused
from orchestrion.core.plans import SELF_HOSTED
from orchestrion.jobs.expire_leases import EVERY_SECONDS
from orchestrion.store.postgres import backend, migrating
from orchestrion.store.postgres.backend import open_backend
from orchestrion.store.postgres.copies import WATCH_SECONDS
from orchestrion.store.postgres.place import Place
from orchestrion.store.postgres.working import opened
from tests.clocks import SettableClock
from tests.copying.places import copied, shared, unseen
from tests.databases import Databases, SqliteDatabase
from tests.pgbouncer import PgBouncer

SERVED = "server is using the database"


async def server_at(place: Place) -> backend.Backend:
    """Open the database as a server does that found it in order."""
    return await open_backend(place, lambda _: SettableClock(), SELF_HOSTED)


@asynccontextmanager
async def serving(place: Place) -> AsyncIterator[None]:
    """Run a server with nothing to do but the most frequent of its jobs."""
    server = await server_at(place)

    async def look() -> None:
        while True:
            await server.reader.overdue(1)
            await asyncio.sleep(EVERY_SECONDS)

    looking = asyncio.create_task(look())
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        await server.close()


async def test_a_copy_does_not_begin_while_a_server_runs(
    file: SqliteDatabase, databases: Databases, url: str
) -> None:
    await migrating.prepare(Place(url=url))
    async with serving(Place(url=url)):
        with pytest.raises(StoreRefused, match=SERVED) as refused:
            await copied(file.path, url)

    assert "\n" not in str(refused.value)
    with shared(databases, url) as database:
        assert "copies" not in database.tables
    assert (await copied(file.path, url)).differing == []


async def test_a_copy_is_not_verified_while_a_server_runs(
    file: SqliteDatabase, databases: Databases, url: str
) -> None:
    """It had found the database in order before the copy began, and opened it after."""
    late: list[backend.Backend] = []
    desk = databases.postgres.desk

    def come(step: str, done: int, total: int) -> None:
        if step == "Checking" and done == total:
            late.append(desk.do(server_at(Place(url=url))))

    with pytest.raises(StoreRefused, match=SERVED):
        await copy(file.path, Place(url=url), come)

    with pytest.raises(StoreRefused, match="unfinished copy"):
        await migrating.prepare(Place(url=url))
    desk.do(late.pop().close())
    assert (await copied(file.path, url)).differing == []


async def test_an_operator_is_no_server(file: SqliteDatabase, url: str) -> None:
    async with opened(Place(url=url)):
        assert (await copied(file.path, url)).differing == []


async def test_a_verified_copy_is_left_to_its_servers(file: SqliteDatabase, url: str) -> None:
    await copied(file.path, url)

    async with serving(Place(url=url)):
        assert (await copied(file.path, url)).verified_before


def test_a_server_is_watched_for_longer_than_it_may_rest() -> None:
    assert WATCH_SECONDS > EVERY_SECONDS


@pytest.fixture
def pooler(databases: Databases) -> Iterator[PgBouncer]:
    """Run a pooler before the test server."""
    with PgBouncer(databases.postgres.url) as pooler:
        yield pooler


@pytest.mark.pgbouncer
@pytest.mark.parametrize("way", ["pooled", "direct"])
async def test_a_server_behind_a_pooler_is_noticed_until_it_has_ended(
    file: SqliteDatabase, pooler: PgBouncer, url: str, way: str
) -> None:
    await migrating.prepare(Place(url=url))
    pooled = Place(url=pooler.url(url.rpartition("/")[2]), pooler="transaction")
    place = pooled if way == "pooled" else Place(url=url)
    async with serving(pooled):
        with pytest.raises(StoreRefused, match=SERVED):
            await copy(file.path, place, unseen)

    assert (await copy(file.path, place, unseen)).differing == []
