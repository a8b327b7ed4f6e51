"""The sweep makes ended leases visible."""

import asyncio

import pytest

from orchestrion.core.ids import AccountId
from orchestrion.core.instants import Instant
from orchestrion.core.limits import EXPIRE_BATCH_MAX
from orchestrion.core.task import Status
from orchestrion.engine.overload import QueueLimits
from orchestrion.jobs import expire_leases
from orchestrion.service import ServiceOptions
from tests.databases import Database, add_tasks
from tests.factories import a_task, a_task_id
from tests.harness import Account, Harness, running
from tests.http.callers import Caller, ok

LEASE_SECONDS = 30


@pytest.fixture
def caller(service: Harness, account: Account) -> Caller:
    return Caller(service, account)


async def sweep(service: Harness) -> None:
    await service.run_job(expire_leases.NAME)


def add_overdue(database: Database, account: Account, count: int) -> None:
    """Write claimed tasks whose lease has ended, more than requests could make in short."""
    ended = Instant(database.clock.now() - 1)
    held = (
        a_task(
            Status.CLAIMED,
            account_id=AccountId(account.id),
            id=a_task_id(number),
            lease_expires_at=ended,
        )
        for number in range(count)
    )
    add_tasks(database, held)


def statuses(database: Database) -> dict[str, int]:
    return dict(database.fetch("select status, count(*) from tasks group by status"))


async def test_an_ended_lease_gives_the_task_back(service: Harness, caller: Caller) -> None:
    held = (await caller.held(leaseDurationSeconds=LEASE_SECONDS))["task"]
    service.clock.advance(LEASE_SECONDS)

    await sweep(service)

    task = ok(await caller.show(held["id"]))
    assert task["status"] == "pending"
    assert task["attemptCount"] == 1
    assert task["claimedBy"] is None
    assert task["leaseExpiresAt"] is None
    assert task["lastFailedAt"] is None


async def test_the_last_lease_that_ends_leaves_a_dead_letter(
    service: Harness, caller: Caller
) -> None:
    held = (await caller.held(leaseDurationSeconds=LEASE_SECONDS, maxAttempts=1))["task"]
    service.clock.advance(LEASE_SECONDS)

    await sweep(service)

    assert ok(await caller.show(held["id"]))["status"] == "dead_letter"


async def test_a_live_lease_is_left_alone_up_to_its_last_millisecond(
    service: Harness, caller: Caller
) -> None:
    held = (await caller.held(leaseDurationSeconds=LEASE_SECONDS))["task"]
    service.clock.advance(LEASE_SECONDS - 0.001)

    await sweep(service)

    assert ok(await caller.show(held["id"]))["status"] == "claimed"


async def test_a_lease_renewed_between_the_look_and_the_sweep_lives(
    service: Harness, caller: Caller
) -> None:
    held = (await caller.held(leaseDurationSeconds=LEASE_SECONDS))["task"]
    service.clock.advance(LEASE_SECONDS - 1)
    ok(await caller.do("heartbeat", held["id"]))
    service.clock.advance(2)

    await sweep(service)

    assert ok(await caller.show(held["id"]))["status"] == "claimed"


async def test_every_account_is_swept_in_bounded_batches(
    service: Harness, database: Database
) -> None:
    count = 2 * EXPIRE_BATCH_MAX + 100
    accounts = [await service.account() for _ in range(3)]
    for account in accounts:
        add_overdue(database, account, count)
    before = service.backend.store.commits

    await sweep(service)

    assert statuses(database) == {"pending": 3 * count}
    batches = -(-3 * count // EXPIRE_BATCH_MAX)
    # Looks go on from one account to the next in the same batch, unless each must be alone.
    batches += 2 if service.backend.store.one_account else 0
    assert service.backend.store.commits - before == batches


async def test_a_sweep_with_nothing_to_do_writes_nothing(service: Harness, caller: Caller) -> None:
    await caller.held()
    before = service.backend.store.commits

    await sweep(service)

    assert service.backend.store.commits == before


async def test_health_tells_of_sweeps_that_stay_away(service: Harness) -> None:
    await sweep(service)
    healthy = ok(await service.client.get("/health"))
    service.clock.advance(3 * expire_leases.EVERY_SECONDS + 1)

    late = ok(await service.client.get("/health"))

    assert healthy["leaseExpiryJob"]["healthy"] is True
    assert late["leaseExpiryJob"] == {
        "lastRunAt": healthy["leaseExpiryJob"]["lastRunAt"],
        "staleSec": 16,
        "healthy": False,
    }


async def test_a_sweep_that_is_turned_away_counts_as_failed(database: Database) -> None:
    """Else an overloaded server would call itself healthy while no lease ends."""
    options = ServiceOptions(queue=QueueLimits(queue_max=10, create_share=0.0))
    async with running(database) as first:
        account = await first.account()
        add_overdue(database, account, 3)

    async with running(database, options) as service:
        await sweep(service)

        assert statuses(database) == {"claimed": 3}
        assert service.observer.faults[0][0] == "job_expire_leases_failed"
        assert len(service.observer.refusals) == 1
        assert ok(await service.client.get("/health"))["leaseExpiryJob"]["healthy"] is False


async def test_a_sweep_beside_a_claim_takes_each_task_once(
    service: Harness, caller: Caller, database: Database
) -> None:
    add_overdue(database, caller.account, 20)

    sweeping = asyncio.create_task(sweep(service))
    claims = await asyncio.gather(*(caller.claim_next() for _ in range(20)))
    await sweeping

    ids = {ok(answer)["task"]["id"] for answer in claims}
    assert len(ids) == 20
    assert statuses(database) == {"claimed": 20}
