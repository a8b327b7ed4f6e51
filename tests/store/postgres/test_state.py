"""What an operator is told of the shared database: what bloats it, and how full it is."""

import asyncio
from collections.abc import AsyncIterator, Callable

import asyncpg
import msgspec
import pytest

from orchestrion.core.database_state import DatabaseState
from orchestrion.engine.ports import Reader
from tests.databases import Databases, PostgresDatabase, add_accounts
from tests.factories import an_account

PATIENCE_SECONDS = 20.0
TRANSACTIONS = 7
SPEND = "select pg_current_xact_id()"
FLUSH = "select pg_stat_force_next_flush()"


class Watched(msgspec.Struct, frozen=True):
    """A database, what is read of it, and a session beside it."""

    database: PostgresDatabase
    reader: Reader
    session: "asyncpg.Connection[asyncpg.Record]"


@pytest.fixture
async def watched(databases: Databases) -> AsyncIterator[Watched]:
    with databases.postgres.lent() as database:
        backend = await database.open()
        session = await asyncpg.connect(database.url)
        yield Watched(database, backend.reader, session)
        await session.close()
        await backend.close()


async def until(reader: Reader, seen: Callable[[DatabaseState], bool]) -> DatabaseState:
    """Read again and again: what sessions count reaches the others a little later."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            state = await reader.state()
            if seen(state):
                return state
            await asyncio.sleep(0.01)


async def test_a_held_snapshot_shows_by_age_until_it_is_let_go(watched: Watched) -> None:
    transaction = watched.session.transaction(isolation="repeatable_read")
    await transaction.start()
    await watched.session.fetch("select 1 from accounts")
    for _ in range(TRANSACTIONS):
        watched.database.fetch(SPEND)

    held = await watched.reader.state()
    assert (held.oldest_snapshot_transactions or 0) >= TRANSACTIONS
    assert (held.oldest_snapshot_seconds or 0) > 0

    await transaction.rollback()
    await until(watched.reader, lambda state: state.oldest_snapshot_transactions == 0)


async def test_rows_that_are_gone_are_counted_by_table(watched: Watched) -> None:
    add_accounts(watched.database, an_account())
    for _ in range(TRANSACTIONS):
        await watched.session.execute("update accounts set email = 'me@example.com'")
    await watched.session.execute(FLUSH)

    state = await until(watched.reader, lambda state: state.dead_rows["accounts"] > 0)
    assert set(watched.database.tables) <= set(state.dead_rows)


async def test_size_and_connections_are_those_of_the_server(watched: Watched) -> None:
    before = await watched.reader.state()
    more = [await asyncpg.connect(watched.database.url) for _ in range(3)]
    after = await watched.reader.state()
    for session in more:
        await session.close()

    assert before.connections is not None
    assert after.connections == before.connections + 3
    ((size, allowed),) = watched.database.fetch(
        "select pg_database_size(current_database()), current_setting('max_connections')::int"
    )
    assert after.connections_max == allowed
    assert after.size_bytes == pytest.approx(size, rel=0.5)
