"""Hurts a real server, and looks at what callers of the pool are told."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from msgspec.structs import replace

from orchestrion.core.faults import Crowded, Poison, StoreRefused, Unavailable, Unknown
from orchestrion.store.postgres.connecting import Pool, begin, commit, roll_back
from orchestrion.store.postgres.faults import before_commit
from orchestrion.store.postgres.place import LONG_READER, READER, WRITER, Place, Role
from orchestrion.store.postgres.session import Session, open_session
from tests.postgres import PostgresServer, Shutdown

PATIENCE_SECONDS = 20
BACK_SECONDS = 10
INSERT = "insert into written values (1)"
# Checked when the transaction commits, and long enough to be hurt meanwhile.
SLOW_COMMIT = """
create table slow (number integer);
create function wait() returns trigger language plpgsql as
  'begin perform pg_sleep(20); return null; end';
create constraint trigger slow after insert on slow deferrable initially deferred
  for each row execute function wait();
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Run a server that may be hurt: the tests leave it running and unharmed."""
    with PostgresServer({"wal_level": "replica", "max_wal_senders": "2"}) as server:
        server.psql("create table written (number integer)")
        server.psql(SLOW_COMMIT)
        yield server


@asynccontextmanager
async def pool_of(place: Place, size: int = 1, role: Role = WRITER) -> AsyncIterator[Pool]:
    pool = Pool(place, size, role)
    try:
        yield pool
    finally:
        await pool.close()


@pytest.fixture
def place(server: PostgresServer) -> Place:
    return Place(url=server.url(), opening_seconds=0)


@pytest.fixture
async def pool(place: Place) -> AsyncIterator[Pool]:
    """Open a pool of one session."""
    async with pool_of(place) as pool:
        await pool.open()
        yield pool


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await asyncio.to_thread(holds):  # noqa: ASYNC110 - the server sends no event
            await asyncio.sleep(0.01)


async def write(pool: Pool, statement: str = INSERT) -> None:
    """Do what the store does."""
    async with pool.connection() as session:
        try:
            await begin(session)
            await session.execute(statement)
        except Exception as error:
            await roll_back(session)
            raise before_commit(error) from error
        await commit(session)


async def works_again(pool: Pool) -> None:
    async with asyncio.timeout(BACK_SECONDS):
        while True:
            try:
                return await write(pool)
            except Unavailable:
                await asyncio.sleep(0.01)


async def fill(server: PostgresServer) -> list[asyncpg.Connection]:
    """Take every connection that the server has left."""
    crowd = []
    while True:
        try:
            crowd.append(await asyncpg.connect(server.url()))
        except asyncpg.TooManyConnectionsError:
            return crowd


def sessions(server: PostgresServer, condition: str) -> int:
    return int(
        server.psql(
            "select count(*) from pg_stat_activity"
            f" where application_name like 'orchestrion%' and {condition}"
        )
    )


def terminate(server: PostgresServer, condition: str = "true") -> None:
    server.psql(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        f" where application_name like 'orchestrion%' and {condition}"
    )


async def setting(session: Session, name: str) -> object:
    return await session.fetchval(f"select current_setting('{name}')")


async def test_a_session_starts_with_the_limits_of_its_role(place: Place) -> None:
    async with pool_of(place, role=READER) as pool, pool.connection() as session:
        assert await setting(session, "statement_timeout") == "5s"
        assert await setting(session, "lock_timeout") == "2s"
        assert await setting(session, "idle_in_transaction_session_timeout") == "10s"
        assert await setting(session, "plan_cache_mode") == "force_generic_plan"
        assert await setting(session, "jit") == "off"
        assert await setting(session, "tcp_user_timeout") == "10000"
        assert await setting(session, "tcp_keepalives_idle") == "5"
        assert await setting(session, "client_encoding") == "UTF8"
        connected = session.transport.get_extra_info("socket")
        assert connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 10_000


async def test_a_transaction_behind_a_pooler_carries_its_limits(place: Place) -> None:
    async with pool_of(replace(place, pooler="transaction")) as pool, pool.connection() as session:
        await begin(session)

        assert await setting(session, "statement_timeout") == "5s"
        assert await setting(session, "lock_timeout") == "2s"

        await commit(session)
        assert await setting(session, "statement_timeout") == "0"


async def test_a_session_whose_socket_takes_no_limits_is_ended(
    server: PostgresServer, place: Place
) -> None:
    before = sessions(server, f"application_name like '%{LONG_READER.name}'")

    # More than a socket takes.
    with pytest.raises(Unavailable):
        await open_session(replace(place, keepalive_idle_seconds=2**20), LONG_READER)

    await until(lambda: sessions(server, f"application_name like '%{LONG_READER.name}'") == before)


async def test_a_socket_in_a_folder_serves_as_well(server: PostgresServer) -> None:
    async with pool_of(Place(url=server.socket_url())) as pool:
        await write(pool)


async def test_the_first_host_that_takes_writes_is_used(server: PostgresServer) -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    with silent:
        hosts = f"127.0.0.1:1,127.0.0.1:{silent.getsockname()[1]},127.0.0.1:{server.port}"
        url = f"postgresql://postgres@{hosts}/postgres"
        async with pool_of(Place(url=url, connect_seconds=0.2, opening_seconds=0)) as pool:
            await pool.open()

            await write(pool)


async def test_a_server_that_takes_no_writes_is_unavailable(server: PostgresServer) -> None:
    server.psql("alter database postgres set default_transaction_read_only = on")
    try:
        async with pool_of(Place(url=server.url(), opening_seconds=0)) as pool:
            with pytest.raises(Unavailable):
                await pool.open()
    finally:
        server.psql("alter database postgres reset default_transaction_read_only", "template1")


async def test_settings_that_lose_data_are_named_at_the_start(pool: Pool) -> None:
    (warning,) = pool.warnings

    assert "fsync = off" in warning


async def test_an_encoding_other_than_utf8_is_refused(server: PostgresServer) -> None:
    server.psql(
        "create database latin encoding 'LATIN1' locale_provider libc locale 'C' template template0"
    )
    async with pool_of(Place(url=server.url("latin"))) as pool:
        with pytest.raises(StoreRefused, match="LATIN1: create it with encoding UTF8"):
            await pool.open()


async def test_a_database_that_does_not_exist_is_refused_at_once(server: PostgresServer) -> None:
    async with pool_of(Place(url=server.url("nowhere"))) as pool:
        with pytest.raises(StoreRefused, match="nowhere"):
            await pool.open()


async def test_a_database_that_is_gone_later_on_is_unavailable(server: PostgresServer) -> None:
    async with pool_of(Place(url=server.url("nowhere"))) as pool:
        with pytest.raises(Unavailable, match="nowhere"):
            await write(pool)


async def test_every_caller_hears_at_once_that_nobody_answers() -> None:
    async with pool_of(Place(url="postgresql://postgres@127.0.0.1:1/postgres"), size=4) as pool:
        async with asyncio.timeout(1):
            told = await asyncio.gather(*(write(pool) for _ in range(50)), return_exceptions=True)

        assert {type(each) for each in told} == {Unavailable}
        assert "cannot be reached" in str(told[0])


async def test_while_one_caller_tries_the_others_do_not_wait_for_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://postgres@127.0.0.1:{silent.getsockname()[1]}/postgres"
        place = Place(url=url, connect_seconds=0.1, backoff_seconds=0, waiting_seconds=20)
        async with pool_of(place, size=4) as pool:
            with pytest.raises(Unavailable):
                await write(pool)

            trying = asyncio.create_task(write(pool))
            await asyncio.sleep(0)
            async with asyncio.timeout(0.05):
                with pytest.raises(Unavailable):
                    await write(pool)

            with pytest.raises(Unavailable):
                await trying


@pytest.mark.parametrize("shutdown", [Shutdown.FAST, Shutdown.IMMEDIATE])
async def test_a_restart_is_survived(
    server: PostgresServer, pool: Pool, shutdown: Shutdown
) -> None:
    await write(pool)
    await asyncio.to_thread(server.stop, shutdown)
    with pytest.raises(Unavailable):
        await write(pool)

    await asyncio.to_thread(server.start)

    await works_again(pool)


async def test_a_start_waits_for_a_database_that_starts_too(server: PostgresServer) -> None:
    server.stop()
    async with pool_of(Place(url=server.url())) as pool:
        opening = asyncio.create_task(pool.open())
        await asyncio.to_thread(server.start)

        await opening

        await write(pool)


async def test_a_session_ended_in_mid_transaction_is_unavailable_and_replaced(
    pool: Pool,
) -> None:
    with pytest.raises(Unavailable):
        await write(pool, "select pg_terminate_backend(pg_backend_pid())")

    await write(pool)


async def test_a_session_ended_while_nobody_used_it_is_replaced(
    server: PostgresServer, pool: Pool
) -> None:
    async with pool.connection() as idle:
        pass
    terminate(server)
    await until(idle.is_closed)

    await write(pool)


async def test_a_session_ended_during_its_commit_leaves_the_fate_unknown(
    server: PostgresServer, pool: Pool
) -> None:
    writing = asyncio.create_task(write(pool, "insert into slow values (1)"))
    await until(lambda: sessions(server, "query = 'commit' and state = 'active'"))

    terminate(server)

    with pytest.raises(Unknown):
        await writing
    await write(pool)


async def test_a_server_killed_during_a_commit_leaves_the_fate_unknown(
    server: PostgresServer, pool: Pool
) -> None:
    writing = asyncio.create_task(write(pool, "insert into slow values (1)"))
    await until(lambda: sessions(server, "query = 'commit' and state = 'active'"))

    await asyncio.to_thread(server.kill)

    with pytest.raises(Unknown):
        await writing
    await asyncio.to_thread(server.start)
    await works_again(pool)


async def test_a_commit_that_postgresql_refuses_is_surely_rolled_back(
    server: PostgresServer, pool: Pool
) -> None:
    server.psql("create table one (n integer unique deferrable initially deferred)")

    with pytest.raises(Poison, match="one_n_key"):
        await write(pool, "insert into one values (1), (1)")

    assert server.psql("select count(*) from one") == "0"
    await write(pool)


async def test_a_commit_of_a_failed_transaction_is_surely_rolled_back(pool: Pool) -> None:
    async with pool.connection() as session:
        await begin(session)
        with pytest.raises(asyncpg.DivisionByZeroError):
            await session.execute("select 1 / 0")

        with pytest.raises(Poison, match="rolled back"):
            await commit(session)


@pytest.fixture
def absent_standby(server: PostgresServer) -> Iterator[None]:
    """Let commits wait for a standby that is not there."""
    server.psql("alter system set synchronous_standby_names = 'absent'")
    server.psql("select pg_reload_conf()")
    yield
    server.psql("alter system reset synchronous_standby_names")
    server.psql("select pg_reload_conf()")


@pytest.mark.usefixtures("absent_standby")
async def test_a_commit_that_no_standby_confirmed_is_unknown(
    server: PostgresServer, pool: Pool
) -> None:
    writing = asyncio.create_task(write(pool))
    await until(lambda: sessions(server, "wait_event = 'SyncRep'"))

    server.psql("select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'")

    with pytest.raises(Unknown, match="synchronous replication"):
        await writing


@pytest.mark.usefixtures("absent_standby")
async def test_a_commit_nobody_waits_for_any_longer_is_left_alone_in_its_place(
    server: PostgresServer, place: Place
) -> None:
    place = replace(place, commit_seconds=0.1, waiting_seconds=0.1)
    async with pool_of(place) as pool:
        with pytest.raises(Unknown, match=r"0\.1 s"):
            await write(pool)

        # Neither given up, nor joined by another that would be stuck as well.
        with pytest.raises(Unavailable):
            await write(pool)
        assert sessions(server, "wait_event = 'SyncRep'") == 1

        server.psql("alter system reset synchronous_standby_names")
        server.psql("select pg_reload_conf()")
        await works_again(pool)


@pytest.mark.usefixtures("absent_standby")
async def test_the_place_of_a_stuck_commit_comes_free_at_last(
    server: PostgresServer, place: Place
) -> None:
    place = replace(place, commit_seconds=0.1, lingering_seconds=0.1)
    async with pool_of(place) as pool:
        for _ in range(2):
            with pytest.raises(Unknown):
                await write(pool)

        assert sessions(server, "wait_event = 'SyncRep'") == 2


@pytest.mark.usefixtures("absent_standby")
async def test_a_caller_that_leaves_does_not_cancel_its_commit(
    server: PostgresServer, pool: Pool
) -> None:
    before = int(server.psql("select count(*) from written"))
    writing = asyncio.create_task(write(pool))
    await until(lambda: sessions(server, "wait_event = 'SyncRep'"))

    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing

    assert sessions(server, "wait_event = 'SyncRep'") == 1
    server.psql("alter system reset synchronous_standby_names")
    server.psql("select pg_reload_conf()")
    await works_again(pool)
    assert int(server.psql("select count(*) from written")) == before + 2


async def test_callers_beyond_the_sessions_wait_their_turn(place: Place) -> None:
    async with pool_of(place, size=2) as pool:
        await asyncio.gather(*(write(pool) for _ in range(100)))


async def test_a_caller_that_waited_too_long_is_told_so(place: Place) -> None:
    async with pool_of(replace(place, waiting_seconds=0.05)) as pool, pool.connection():
        with pytest.raises(Unavailable, match="in time"):
            await write(pool)


async def test_no_more_callers_wait_than_allowed(place: Place) -> None:
    async with pool_of(replace(place, waiting_max=1)) as pool:
        async with pool.connection():
            waiting = asyncio.create_task(write(pool))
            await asyncio.sleep(0)

            with pytest.raises(Crowded, match="too many callers"):
                await write(pool)
        await waiting


async def test_a_caller_that_leaves_takes_nothing_along(server: PostgresServer, pool: Pool) -> None:
    for _ in range(3):
        asleep = asyncio.create_task(write(pool, "select pg_sleep(20)"))
        await until(lambda: sessions(server, "query like '%sleep%' and state = 'active'"))
        waiting = asyncio.create_task(write(pool))
        await asyncio.sleep(0)
        waiting.cancel()
        asleep.cancel()
        await asyncio.gather(asleep, waiting, return_exceptions=True)

        await write(pool)
        terminate(server, "query like '%sleep%'")


async def test_callers_that_leave_at_any_moment_take_nothing_along(place: Place) -> None:
    async with pool_of(place, size=2) as pool:
        for turn in range(200):
            callers = [asyncio.create_task(write(pool)) for _ in range(6)]
            for _ in range(turn % 20):
                await asyncio.sleep(0)
            for caller in callers[turn % 3 :: 2]:
                caller.cancel()
            await asyncio.gather(*callers, return_exceptions=True)

        async with asyncio.timeout(1), pool.connection(), pool.connection():
            pass


async def test_a_session_left_in_a_transaction_is_not_used_again(
    server: PostgresServer, pool: Pool
) -> None:
    async with pool.connection() as left:
        await begin(left)
        await left.execute(INSERT)

    assert left.is_closed()
    await until(lambda: not sessions(server, "state like 'idle in transaction%'"))
    await write(pool)


async def test_a_session_that_refused_one_command_is_used_again(pool: Pool) -> None:
    async with pool.connection() as first:
        pass
    with pytest.raises(Poison):
        await write(pool, "select 1 / 0")

    async with pool.connection() as second:
        assert second is first


async def test_a_session_that_may_not_write_any_longer_is_not_used_again(pool: Pool) -> None:
    async with pool.connection() as demoted:
        await demoted.execute("set default_transaction_read_only = on")

    with pytest.raises(Unavailable, match="read-only"):
        await write(pool)

    assert demoted.is_closed()
    await write(pool)


async def test_a_server_full_of_others_is_unavailable_until_there_is_room(
    server: PostgresServer, place: Place
) -> None:
    async with pool_of(place) as pool:
        crowd = await fill(server)
        with pytest.raises(Unavailable, match="too many clients"):
            await write(pool)

        for other in crowd:
            other.terminate()

        await works_again(pool)


async def test_where_the_server_has_room_for_few_they_are_shared(
    server: PostgresServer, place: Place
) -> None:
    async with pool_of(place, size=4) as pool:
        await pool.open()
        crowd = await fill(server)

        await asyncio.gather(*(write(pool) for _ in range(20)))

        for other in crowd:
            other.terminate()


async def test_a_server_that_answers_no_more_hangs_nobody(place: Place) -> None:
    hurried = Role(name="writer", statement_seconds=0.2, lock_seconds=0.1, idle_seconds=10)
    place = replace(place, answer_seconds=0.1, connect_seconds=0.2)
    async with pool_of(place, role=hurried) as pool:
        async with pool.connection() as frozen:
            pid = frozen.get_server_pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(5):
                with pytest.raises(Unavailable):
                    await write(pool)
            assert frozen.is_closed()
        finally:
            os.kill(pid, signal.SIGCONT)
        await works_again(pool)


async def test_once_closed_a_pool_refuses_everybody(place: Place) -> None:
    pool = Pool(place, 1)
    async with pool.connection() as held:
        waiting = asyncio.create_task(write(pool))
        await asyncio.sleep(0)
        await pool.close()

        with pytest.raises(Unavailable, match="closed"):
            await waiting
    assert held.is_closed()
    with pytest.raises(Unavailable, match="closed"):
        await write(pool)
