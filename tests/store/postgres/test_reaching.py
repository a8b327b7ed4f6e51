"""What is told of the way to a database: where it led, who waits, who was away."""

import asyncio
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from orchestrion.core.faults import StoreRefused, Unavailable
from orchestrion.store.postgres.place import WRITER, Place
from orchestrion.store.postgres.session import open_session
from tests.postgres import PostgresServer
from tests.store.postgres.test_connecting import fill, pool_of, until, works_again, write


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Run a server that may be stopped: the tests leave it running."""
    with PostgresServer() as server:
        server.psql("create table written (number integer)")
        yield server


@pytest.fixture
def place(server: PostgresServer) -> Place:
    return Place(url=server.url(), opening_seconds=0)


class Keeper:
    """Fits `store.news.News`."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def awaited(self, why: str, seconds: float) -> None:
        self.told.append(f"awaited {seconds}: {why}")

    def away(self, why: str) -> None:
        self.told.append(f"away: {why}")

    def back(self) -> None:
        self.told.append("back")


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("postgresql://me@127.0.0.1:1/a", "127.0.0.1:1: ConnectionRefusedError"),
        ("postgresql://me@nowhere.invalid/a", "nowhere.invalid:5432: gaierror"),
        ("postgresql://me@/a?host=/nowhere", "/nowhere/.s.PGSQL.5432: FileNotFoundError"),
    ],
)
async def test_what_cannot_be_reached_is_named(url: str, named: str) -> None:
    with pytest.raises(Unavailable, match=f"cannot be reached at {named}"):
        await open_session(Place(url=url), WRITER)


@pytest.mark.parametrize("parameter", ["sslrootcert", "sslcert"])
async def test_a_file_of_the_address_that_is_missing_is_named_and_refused(
    server: PostgresServer, parameter: str
) -> None:
    place = Place(url=f"{server.url()}?sslmode=verify-full&{parameter}=/nowhere/ca.crt")

    with pytest.raises(StoreRefused, match=f"cannot read /nowhere/ca.crt, {parameter} of"):
        await open_session(place, WRITER)


async def test_a_server_without_tls_where_it_is_asked_for_is_refused(
    server: PostgresServer,
) -> None:
    place = Place(url=f"{server.url()}?sslmode=require")

    with pytest.raises(StoreRefused, match=f"127.0.0.1:{server.port}: it offers no TLS"):
        await open_session(place, WRITER)


async def test_a_start_tells_at_once_that_it_waits_and_why(server: PostgresServer) -> None:
    news = Keeper()
    place = Place(url=server.url(), news=news)
    server.stop()
    try:
        async with pool_of(place) as pool:
            opening = asyncio.create_task(pool.open())
            await until(lambda: news.told)
            assert not opening.done()
            await asyncio.to_thread(server.start)
            await opening
    finally:
        if not server.running:
            server.start()

    (told,) = (line for line in news.told if line.startswith("awaited"))
    assert told.startswith(f"awaited {place.opening_seconds}: the database cannot be reached at ")


async def test_a_database_that_goes_and_comes_is_told_of(
    server: PostgresServer, place: Place
) -> None:
    news = Keeper()
    async with pool_of(replace(place, news=news)) as pool:
        await write(pool)
        news.told.clear()
        await asyncio.to_thread(server.stop)
        with pytest.raises(Unavailable):
            await write(pool)
        while not news.told:
            with pytest.raises(Unavailable):
                await write(pool)
        assert all(line.startswith("away: the database cannot be reached") for line in news.told)

        await asyncio.to_thread(server.start)
        await works_again(pool)

    assert news.told[-1] == "back"


async def test_a_server_full_of_others_is_not_away_while_one_session_is_left(
    server: PostgresServer, place: Place
) -> None:
    news = Keeper()
    async with pool_of(replace(place, news=news, waiting_seconds=0.1), size=2) as pool:
        async with pool.connection():
            crowd = await fill(server)
            with pytest.raises(Unavailable):
                await write(pool)
        for other in crowd:
            await other.close()

    assert set(news.told) == {"back"}
