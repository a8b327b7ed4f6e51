"""Where no standby may have a commit yet, whoever asks again is kept waiting like whoever asked."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from typing import Any, Final

import pytest

from orchestrion.core.commands import Command
from orchestrion.core.faults import Unknown
from orchestrion.core.outcomes import NoTask, Rejection
from orchestrion.core.plans import SELF_HOSTED
from orchestrion.store.postgres.migrating import prepare
from orchestrion.store.postgres.place import Place
from tests.databases import PostgresDatabase, add_accounts, add_tasks
from tests.desk import Desk
from tests.factories import ACCOUNT, OTHER_TOKEN
from tests.postgres import PostgresServer
from tests.store.postgres.meetings import PATIENCE_SECONDS, PAUSE_SECONDS, Server, meeting
from tests.unit import asks
from tests.unit.repeated import FREE, HELD, REPEATED

WAITING: Final = "select pid from pg_stat_activity where wait_event = 'SyncRep'"
TABLES: Final = ("accounts", "tasks", "idempotency_keys")


@pytest.fixture(scope="module")
def forsaken() -> Iterator[PostgresDatabase]:
    """Run a server whose commits wait for a standby that never comes, but for those of the test."""
    desk = Desk()
    with PostgresServer({"wal_level": "replica", "max_wal_senders": "2"}) as server:
        desk.do(prepare(Place(url=server.url())))
        server.psql("alter system set synchronous_standby_names = 'absent'")
        server.restart()
        with closing(PostgresDatabase(desk, server.url())) as database:
            database.execute("set synchronous_commit = local")
            yield database
    desk.close()


@pytest.fixture
async def server(forsaken: PostgresDatabase) -> AsyncIterator[Server]:
    forsaken.empty()
    add_accounts(forsaken, ACCOUNT)
    add_tasks(forsaken, [HELD, FREE])
    async with meeting(forsaken.url, SELF_HOSTED, None) as met:
        yield met.one


async def given_up(database: PostgresDatabase, server: Server, command: Command) -> None:
    """Ask until the commit waits for the standby, and have an operator end its wait."""
    asked = asyncio.create_task(server.transact(command))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (waiting := database.fetch(WAITING)):
            assert not asked.done(), asked.result()
            await asyncio.sleep(PAUSE_SECONDS)
    database.fetch("select pg_cancel_backend($1)", waiting[0][0])
    with pytest.raises(Unknown):
        await asked


def kept(database: PostgresDatabase) -> list[list[Any]]:
    return [list(database.fetch(f"select * from {table} order by 1, 2")) for table in TABLES]


@pytest.mark.parametrize("ask", REPEATED.values(), ids=REPEATED)
async def test_a_repeat_waits_for_what_the_first_did_not_live_to_see(
    ask: Callable[[int], Command], forsaken: PostgresDatabase, server: Server
) -> None:
    before = kept(forsaken)
    await given_up(forsaken, server, ask(7))
    done = kept(forsaken)

    await given_up(forsaken, server, ask(8))

    assert done != before
    assert kept(forsaken) == done


async def test_what_tells_of_nothing_done_waits_for_nobody(server: Server) -> None:
    asked = (asks.claim_next(types=("mail",)), asks.fail(HELD.id, OTHER_TOKEN))

    async with asyncio.timeout(PATIENCE_SECONDS):
        empty, refused = await server.transact(*asked)

    assert isinstance(empty, NoTask)
    assert isinstance(refused, Rejection)
