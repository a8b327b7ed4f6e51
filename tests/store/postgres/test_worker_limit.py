"""The worker limit while another server's heartbeat is on its way."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from orchestrion.core.errors import ErrorCode
from orchestrion.core.instants import Instant
from orchestrion.core.outcomes import Held, Rejection
from orchestrion.core.plans import Catalogue
from orchestrion.core.task import Status
from tests.clocks import SettableClock
from tests.databases import Databases, PostgresDatabase, add_accounts, add_tasks
from tests.factories import a_plan, a_task, a_task_id, an_account, expect, later
from tests.store.postgres.meetings import Meeting, meeting
from tests.unit import asks

ONE_WORKER = Catalogue(plans={"free": a_plan(max_workers=1)})
ENDS = 10


@pytest.fixture
def clock() -> SettableClock:
    """Stand a millisecond before the lease ends."""
    clock = SettableClock()
    clock.set(Instant(later(ENDS) - 1))
    return clock


@pytest.fixture
def database(databases: Databases) -> Iterator[PostgresDatabase]:
    with databases.postgres.lent() as lent:
        add_accounts(lent, an_account())
        held = a_task(Status.CLAIMED, id=a_task_id(1), lease_expires_at=later(ENDS))
        add_tasks(lent, [held, a_task(id=a_task_id(2))])
        yield lent


@pytest.fixture
async def servers(database: PostgresDatabase, clock: SettableClock) -> AsyncIterator[Meeting]:
    async with meeting(database.url, ONE_WORKER, clock) as met:
        yield met


async def test_a_lease_renewed_in_its_last_moment_counts(
    servers: Meeting, clock: SettableClock
) -> None:
    (renewed,) = await servers.one.hold(asks.heartbeat(a_task_id(1)))
    ends = expect(Held, renewed).task.lease_expires_at
    assert ends is not None
    assert ends > later(ENDS)
    clock.advance(0.002)
    claiming = asyncio.create_task(servers.other.transact(asks.claim_task(a_task_id(2))))
    await servers.blocked(servers.one.pid)

    await servers.one.commit()

    (outcome,) = await claiming
    assert expect(Rejection, outcome).code is ErrorCode.MAX_WORKERS_REACHED


async def test_a_lease_whose_renewal_did_not_happen_does_not_count(
    servers: Meeting, clock: SettableClock
) -> None:
    await servers.one.hold(asks.heartbeat(a_task_id(1)))
    clock.advance(0.002)
    claiming = asyncio.create_task(servers.other.transact(asks.claim_task(a_task_id(2))))
    await servers.blocked(servers.one.pid)

    await servers.one.roll_back()

    (outcome,) = await claiming
    assert expect(Held, outcome).task.id == a_task_id(2)
