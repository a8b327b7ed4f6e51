"""An account whose row is held for long, by a server that hangs perhaps, among others."""

import asyncio
from collections.abc import Iterator

import pytest

from orchestrion.core.faults import Blocked
from orchestrion.core.outcomes import Changed
from orchestrion.core.plans import SELF_HOSTED
from orchestrion.engine.writer import Writer
from orchestrion.store.postgres.place import READER, Place
from orchestrion.store.postgres.session import open_session
from tests.databases import Databases, PostgresDatabase, add_accounts
from tests.factories import ACCOUNT_ID, OTHER_ACCOUNT_ID, an_account
from tests.observers import KeepingObserver
from tests.unit import asks


@pytest.fixture
def database(databases: Databases) -> Iterator[PostgresDatabase]:
    with databases.postgres.lent() as lent:
        add_accounts(lent, an_account(), an_account(id=OTHER_ACCOUNT_ID))
        yield lent


async def test_others_are_served_in_the_same_batch(database: PostgresDatabase) -> None:
    backend = await database.open()
    writer = Writer(backend.store, SELF_HOSTED, backend.clock, KeepingObserver())
    holder = await open_session(Place(url=database.url), READER)
    await holder.execute("begin")
    await holder.execute("select from accounts where id = $1 for update", ACCOUNT_ID)
    writing = asyncio.create_task(writer.run())
    commands = [
        asks.create(number, account_id=account_id)
        for number, account_id in enumerate((ACCOUNT_ID, OTHER_ACCOUNT_ID) * 5)
    ]
    try:
        outcomes = await asyncio.gather(*map(writer.submit, commands), return_exceptions=True)
    finally:
        await holder.close()
        writer.stop()
        await writing
        await backend.close()

    assert [type(outcome) for outcome in outcomes] == [Blocked, Changed] * 5
