"""The time of a claim is not before whatever made its task claimable."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from orchestrion.core.outcomes import Held
from orchestrion.core.plans import SELF_HOSTED
from orchestrion.core.task import Status
from orchestrion.store.postgres.loading import SQL
from tests.databases import Databases, PostgresDatabase, add_accounts, add_tasks
from tests.factories import a_task, an_account, expect
from tests.store.postgres.meetings import Meeting, meeting
from tests.unit import asks

GIVEN_BACK = "update tasks set status = 'pending', updated_at = $1"


@pytest.fixture
def database(databases: Databases) -> Iterator[PostgresDatabase]:
    with databases.postgres.lent() as lent:
        add_accounts(lent, an_account())
        add_tasks(lent, [a_task(Status.CLAIMED)])
        # Leases need not be counted, which would wait for the table as well, and earlier.
        lent.execute("update accounts set leases_at_most = 0")
        yield lent


@pytest.fixture
async def servers(database: PostgresDatabase) -> AsyncIterator[Meeting]:
    async with meeting(database.url, SELF_HOSTED, None) as met:
        yield met


async def test_a_task_given_back_while_a_claim_was_on_its_way_is_claimed_afterwards(
    servers: Meeting,
) -> None:
    third = servers.third
    await third.execute("begin")
    await third.execute("lock table tasks in access exclusive mode")
    claiming = asyncio.create_task(servers.other.transact(asks.claim_next(1)))
    await servers.blocked(third.get_server_pid())

    given_back_at = await third.fetchval(SQL["read_moment"], None)
    await third.execute(GIVEN_BACK, given_back_at)
    await third.execute("commit")

    (outcome,) = await claiming
    claimed_at = expect(Held, outcome).task.claimed_at
    assert claimed_at is not None
    assert claimed_at >= given_back_at
