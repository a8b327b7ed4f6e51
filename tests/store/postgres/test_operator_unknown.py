"""An operator's commit of unknown fate: told in one line that says where to look."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress

import asyncpg
import pytest
from click.testing import CliRunner, Result

from orchestrion.cli import main
from orchestrion.core.faults import StoreRefused
from orchestrion.store.postgres.migrating import prepare
from orchestrion.store.postgres.operator import PostgresOperator
from orchestrion.store.postgres.place import Place
from orchestrion.store.postgres.working import opened, transaction
from tests.postgres import PostgresServer

PATIENCE_SECONDS = 20
COMMIT_SECONDS = 0.5
WAITING = "from pg_stat_activity where wait_event = 'SyncRep'"
KEYS = "select count(*) from api_keys"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Run a server whose commits wait for a standby that is not there."""
    with PostgresServer({"wal_level": "replica", "max_wal_senders": "2"}) as server:
        asyncio.run(prepare(Place(url=server.url())))
        server.psql("create database bare template template0")
        server.psql("alter system set synchronous_standby_names = 'ghost'")
        server.psql("select pg_reload_conf()")
        yield server


@pytest.fixture
def operator(server: PostgresServer) -> PostgresOperator:
    return PostgresOperator(Place(url=server.url(), commit_seconds=COMMIT_SECONDS), "shown")


@pytest.fixture
def patient(server: PostgresServer) -> PostgresOperator:
    """Give an operator who waits longer than the test does."""
    return PostgresOperator(Place(url=server.url()), "shown")


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await asyncio.to_thread(holds):  # noqa: ASYNC110 - the server sends no event
            await asyncio.sleep(0.01)


@asynccontextmanager
async def one_key_more(server: PostgresServer) -> AsyncIterator[None]:
    """Expect that a key is made, whatever is said of it."""
    before = int(server.psql(KEYS))
    yield
    # One that still waits for the standby is not seen yet.
    server.psql(f"select pg_cancel_backend(pid) {WAITING}")
    await until(lambda: int(server.psql(KEYS)) == before + 1)


@pytest.mark.parametrize("end", ["terminate", "cancel"])
async def test_a_key_whose_commit_was_broken_off_may_have_been_made(
    server: PostgresServer, patient: PostgresOperator, end: str
) -> None:
    async with one_key_more(server):
        creating = asyncio.create_task(patient.create_key(None, None))
        await until(lambda: server.psql(f"select 1 {WAITING}"))

        server.psql(f"select pg_{end}_backend(pid) {WAITING}")

        with pytest.raises(StoreRefused, match="may have been committed") as refused:
            await creating
    assert "`orchestrion keys list`" in str(refused.value)
    assert "\n" not in str(refused.value)


async def test_a_commit_that_nobody_answers_is_not_waited_for_without_end(
    server: PostgresServer, operator: PostgresOperator
) -> None:
    async with one_key_more(server), asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(StoreRefused, match=r"not answered .* may have been committed"):
            await operator.create_key(None, None)

        # It is left to wait in peace: whoever asked is gone, the commit is not.
        assert server.psql(f"select count(*) {WAITING}") == "1"


async def test_what_changes_nothing_waits_for_no_standby(operator: PostgresOperator) -> None:
    await operator.list_keys()

    assert (await operator.status()).outstanding == []


async def test_a_revocation_names_where_to_look(
    server: PostgresServer, operator: PostgresOperator
) -> None:
    async with one_key_more(server):
        with suppress(StoreRefused):
            await operator.create_key(None, None)
    (*_, key) = await operator.list_keys()

    with pytest.raises(StoreRefused, match=r"committed: .*`orchestrion keys list`"):
        await operator.revoke_key(key.key_id)

    server.psql(f"select pg_cancel_backend(pid) {WAITING}")


async def test_a_migration_names_where_to_look(server: PostgresServer) -> None:
    place = Place(url=server.url("bare"), commit_seconds=COMMIT_SECONDS)

    with pytest.raises(StoreRefused, match=r"committed: .*`orchestrion db status`"):
        await prepare(place)

    server.psql(f"select pg_cancel_backend(pid) {WAITING}")


async def test_a_transaction_that_had_failed_is_no_success(server: PostgresServer) -> None:
    place = Place(url=server.url(), commit_seconds=COMMIT_SECONDS)

    async def fail_unnoticed() -> None:
        async with opened(place) as session, transaction(session, "look"):
            with suppress(asyncpg.DivisionByZeroError):
                await session.execute("select 1 / 0")

    with pytest.raises(StoreRefused, match="rolled back"):
        await fail_unnoticed()


async def test_whoever_types_it_gets_one_line_and_exit_code_1(server: PostgresServer) -> None:
    def typed() -> Result:
        return CliRunner().invoke(
            main, ["keys", "create"], env={"ORCHESTRION_DATABASE": server.url()}
        )

    async with one_key_more(server):
        typing = asyncio.create_task(asyncio.to_thread(typed))
        await until(lambda: server.psql(f"select 1 {WAITING}"))
        server.psql(f"select pg_terminate_backend(pid) {WAITING}")
        result = await typing

    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("orchestrion: ")
    assert "may have been committed" in result.stderr
    assert result.stderr.endswith("\nnext: orchestrion doctor\n")
