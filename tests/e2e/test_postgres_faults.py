"""A real server whose real database is hurt: clear answers meanwhile, and nothing lost after."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import httpx2
import msgspec
import pytest

from tests.e2e.crowd import BACK_SECONDS, HANG_SECONDS, Crowd, Fate, compare, crowd_at
from tests.e2e.serving import Launch, Served, serving
from tests.postgres import PostgresServer, Shutdown

ENOUGH = 50
KILLS = 20
KILL_EVERY_SECONDS = 0.1
# What the service has open.
OURS = "application_name like 'orchestrion%' and datname = current_database()"


class Ground(msgspec.Struct, frozen=True):
    """A server on a database, and the key to it."""

    postgres: PostgresServer
    database: str
    served: Served
    key: str


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """Run a server to hurt, with room for few."""
    settings = {"max_connections": "25", "wal_level": "replica", "max_wal_senders": "1"}
    with PostgresServer(settings) as postgres:
        yield postgres


@pytest.fixture
def ground(postgres: PostgresServer, request: pytest.FixtureRequest) -> Iterator[Ground]:
    """Serve on a new database."""
    name = f"faults_{abs(hash(request.node.name))}"
    flags = ("--port", "0", "--log-format", "json")
    arguments = (*flags, "--database", postgres.createdb(name))
    with serving(Path(), launch=Launch(arguments=arguments)) as served:
        yield Ground(postgres, name, served, served.first_key())


@asynccontextmanager
async def disturbed(ground: Ground) -> AsyncIterator[Crowd]:
    """Keep the service busy while the block hurts the database, and see it work again after."""
    pid = ground.served.process.pid
    async with crowd_at(ground.served.url(), ground.key) as crowd:
        await crowd.until(Fate.DONE, ENOUGH)
        yield crowd
        await crowd.until(Fate.DONE, 1, BACK_SECONDS)
        await crowd.until(Fate.DONE, ENOUGH)
    assert ground.served.process.pid == pid
    assert ground.served.process.poll() is None
    compare(crowd, ground.postgres, ground.database)


@pytest.mark.parametrize("shutdown", [Shutdown.FAST, Shutdown.IMMEDIATE])
async def test_a_restart_of_the_database_is_survived(ground: Ground, shutdown: Shutdown) -> None:
    async with disturbed(ground) as crowd:
        await asyncio.to_thread(ground.postgres.stop, shutdown)
        await crowd.until(Fate.REFUSED, ENOUGH)
        await asyncio.to_thread(ground.postgres.start)


async def test_a_database_whose_processes_are_killed_is_survived(ground: Ground) -> None:
    async with disturbed(ground) as crowd:
        await asyncio.to_thread(ground.postgres.kill)
        await crowd.until(Fate.REFUSED, ENOUGH)
        await asyncio.to_thread(ground.postgres.start)


async def test_while_nobody_answers_every_caller_hears_so_at_once(ground: Ground) -> None:
    async with disturbed(ground) as crowd:
        await asyncio.to_thread(ground.postgres.stop)
        await crowd.until(Fate.REFUSED, ENOUGH)
        crowd.longest_seconds = 0
        await crowd.until(Fate.REFUSED, 10 * ENOUGH)
        assert crowd.longest_seconds < 1
        await asyncio.to_thread(ground.postgres.start)
    events = [line["event"] for line in ground.served.lines if "database" in line["event"]]
    assert [event for event in events if event != "database_at_risk"] == [
        *("database away", "database back")
    ]
    failed = [line for line in ground.served.lines if line["event"] == "request_failed"]
    assert failed
    assert all("exception" not in line for line in failed if line["fault"] == "Unavailable")


@pytest.mark.slow
async def test_half_a_minute_without_a_database_is_survived(ground: Ground) -> None:
    async with disturbed(ground) as crowd:
        await asyncio.to_thread(ground.postgres.stop)
        await crowd.until(Fate.REFUSED, ENOUGH)
        await asyncio.sleep(30)
        await asyncio.to_thread(ground.postgres.start)


async def test_sessions_terminated_ten_times_a_second_are_survived(ground: Ground) -> None:
    terminated = 0
    async with disturbed(ground), beside(ground) as operator:
        for _ in range(KILLS):
            ended = await operator.fetch(
                f"select pg_terminate_backend(pid) from pg_stat_activity where {OURS}"
            )
            terminated += len(ended)
            await asyncio.sleep(KILL_EVERY_SECONDS)

    assert terminated >= KILLS


async def test_a_server_full_of_others_is_survived(ground: Ground) -> None:
    async with disturbed(ground) as crowd, beside(ground) as operator:
        others: list[asyncpg.Connection] = []
        while len(others) < 2 or await operator.fetch(f"select from pg_stat_activity where {OURS}"):
            await operator.fetch(
                f"select pg_terminate_backend(pid) from pg_stat_activity where {OURS}"
            )
            await fill(ground.postgres, others)
        await crowd.until(Fate.REFUSED, ENOUGH)
        for other in others:
            await other.close()


async def test_a_create_that_may_have_been_committed_is_not_repeated(ground: Ground) -> None:
    headers = {"Authorization": f"Bearer {ground.key}", "Idempotency-Key": "once"}
    body = {"type": "crowd", "payload": {"number": 1}}
    async with httpx2.AsyncClient(
        base_url=ground.served.url(), headers=headers, timeout=HANG_SECONDS
    ) as client:
        del client.headers["Idempotency-Key"]
        plain = await cut_off_at_commit(ground, lambda: client.post("/v1/tasks", json=body))
        keyed = await cut_off_at_commit(
            ground, lambda: client.post("/v1/tasks", json=body, headers=headers)
        )
        repeated = await client.post("/v1/tasks", json=body, headers=headers)

    assert plain.status_code == 500
    assert "retry-after" not in plain.headers
    assert not plain.json()["agent_contract"]["retryable"]
    assert keyed.status_code == 503
    assert keyed.json()["agent_contract"]["retryable"]
    assert repeated.status_code == 201
    # Both had been written before their sessions ended; the repeat found the second.
    assert kept(ground, "select count(*) from tasks") == "2"
    assert kept(ground, "select first::json ->> 'id' from idempotency_keys") in repeated.text


async def test_a_claim_that_may_have_been_committed_is_not_repeated(ground: Ground) -> None:
    headers = {"Authorization": f"Bearer {ground.key}"}
    async with httpx2.AsyncClient(
        base_url=ground.served.url(), headers=headers, timeout=HANG_SECONDS
    ) as client:
        await client.post("/v1/tasks", json={"type": "crowd", "payload": {}})
        claim = await cut_off_at_commit(
            ground, lambda: client.post("/v1/tasks/claim", json={"type": "crowd"})
        )

    assert claim.status_code == 500
    assert kept(ground, "select attempt_count from tasks") == "1"


async def cut_off_at_commit(
    ground: Ground, ask: Callable[[], Awaitable[httpx2.Response]]
) -> httpx2.Response:
    """Ask, and end the session when its commit is written but not yet answered."""
    waits = "wait_event = 'SyncRep'"
    async with beside(ground) as operator:
        try:
            await operator.execute("alter system set synchronous_standby_names = 'absent'")
            await operator.execute("select pg_reload_conf()")
            await seen(operator, "select current_setting('synchronous_standby_names') <> ''")
            asking = asyncio.ensure_future(ask())
            await seen(operator, f"select exists (select from pg_stat_activity where {waits})")
            await operator.fetch(
                f"select pg_terminate_backend(pid) from pg_stat_activity where {waits}"
            )
            return await asking
        finally:
            await operator.execute("alter system reset synchronous_standby_names")
            await operator.execute("select pg_reload_conf()")
            await seen(operator, "select current_setting('synchronous_standby_names') = ''")


async def seen(operator: asyncpg.Connection, question: str) -> None:
    async with asyncio.timeout(HANG_SECONDS):
        while not await operator.fetchval(question):  # noqa: ASYNC110 - the server sends no event
            await asyncio.sleep(0.01)


@asynccontextmanager
async def beside(ground: Ground) -> AsyncIterator[asyncpg.Connection]:
    """Be an operator of the database."""
    operator = await asyncpg.connect(ground.postgres.url(ground.database))
    try:
        yield operator
    finally:
        await operator.close()


async def fill(postgres: PostgresServer, others: list[asyncpg.Connection]) -> None:
    """Take every connection that the server has left."""
    while True:
        try:
            others.append(await asyncpg.connect(postgres.url()))
        except asyncpg.TooManyConnectionsError:
            return


def kept(ground: Ground, question: str) -> str:
    return ground.postgres.psql(question, ground.database)
