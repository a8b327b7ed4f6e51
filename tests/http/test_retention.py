"""Finished tasks go when the plan's retention is over; others stay."""

from collections.abc import Mapping
from types import MappingProxyType

import pytest

from tests.databases import Database
from tests.http.accounts import put_on_plan
from tests.http.callers import Caller, ok, refused

DAY = 24 * 3600
RETENTION: Mapping[str, int] = MappingProxyType({"free": 7, "basic": 30, "pro": 60, "agency": 90})


async def finished(caller: Caller) -> list[str]:
    """Make one task of each final state."""
    completed = (await caller.held())["task"]["id"]
    ok(await caller.do("complete", completed))
    cancelled = (await caller.task())["id"]
    ok(await caller.do("cancel", cancelled))
    return [completed, cancelled, (await caller.dead())["id"]]


async def kept(caller: Caller) -> list[str]:
    page = ok(await caller.read("/v1/tasks?limit=100"))
    return [task["id"] for task in page["items"]]


@pytest.mark.parametrize("plan", RETENTION)
async def test_each_plan_keeps_finished_tasks_as_long_as_it_says(
    plan: str, customer: Caller, database: Database
) -> None:
    put_on_plan(database, customer, plan, days=1_000)
    done = await finished(customer)
    customer.service.clock.advance(RETENTION[plan] * DAY - 0.001)

    await customer.service.run_job("purge_finished")
    assert sorted(await kept(customer)) == sorted(done)
    customer.service.clock.advance(0.001)
    await customer.service.run_job("purge_finished")

    assert await kept(customer) == []
    for task_id in done:
        refused(await customer.show(task_id), 404, "task_not_found")


async def test_what_is_not_finished_stays_however_old(customer: Caller) -> None:
    pending = (await customer.task())["id"]
    claimed = (await customer.held(leaseDurationSeconds=3600))["task"]["id"]
    customer.service.clock.advance(365 * DAY)

    await customer.service.run_job("purge_finished")

    assert sorted(await kept(customer)) == sorted([pending, claimed])


async def test_retention_counts_from_the_end_not_from_the_start(customer: Caller) -> None:
    claim = await customer.held(leaseDurationSeconds=3600)
    customer.service.clock.advance(3000)
    ok(await customer.do("complete", claim["task"]["id"]))
    customer.service.clock.advance(7 * DAY - 3000)

    await customer.service.run_job("purge_finished")
    assert await kept(customer) == [claim["task"]["id"]]
    customer.service.clock.advance(3000)
    await customer.service.run_job("purge_finished")

    assert await kept(customer) == []


async def test_a_requeued_task_is_kept(customer: Caller) -> None:
    task = await customer.dead()
    customer.service.clock.advance(7 * DAY)
    ok(await customer.do("requeue", task["id"]))

    await customer.service.run_job("purge_finished")

    assert await kept(customer) == [task["id"]]


async def test_a_plan_that_ran_out_keeps_its_retention_thirty_days_longer(
    customer: Caller, database: Database
) -> None:
    put_on_plan(database, customer, "agency", days=1)
    done = await finished(customer)
    customer.service.clock.advance(31 * DAY - 5 - 0.001)

    await customer.service.run_job("purge_finished")
    assert sorted(await kept(customer)) == sorted(done)
    customer.service.clock.advance(0.001)
    await customer.service.run_job("purge_finished")

    assert await kept(customer) == []


async def test_accounts_are_purged_by_their_own_plans(customer: Caller, database: Database) -> None:
    paying = Caller(customer.service, await customer.service.account())
    put_on_plan(database, paying, "pro", days=1_000)
    await finished(customer)
    done = await finished(paying)
    customer.service.clock.advance(8 * DAY)

    await customer.service.run_job("purge_finished")

    assert await kept(customer) == []
    assert sorted(await kept(paying)) == sorted(done)


async def test_a_purge_gives_no_quota_back(customer: Caller) -> None:
    await finished(customer)
    customer.service.clock.advance(8 * DAY)

    await customer.service.run_job("purge_finished")

    assert ok(await customer.read("/v1/billing/status"))["tasksCreatedThisCycle"] == 3
