"""The monthly quota, its cycle, and what happens when a paid plan runs out."""

import asyncio

import pytest

from tests.databases import Database
from tests.http.accounts import put_on_plan, set_tasks_in_cycle
from tests.http.callers import Caller, advice, limit_left, ok, recommended, refused

DAY = 24 * 3600
CYCLE = 30 * DAY
QUOTA = {"free": 200, "basic": 5_000, "pro": 25_000, "agency": 150_000}


@pytest.mark.parametrize("plan", QUOTA)
async def test_the_last_task_of_a_cycle_passes_and_the_next_does_not(
    plan: str, customer: Caller, database: Database
) -> None:
    put_on_plan(database, customer, plan)
    set_tasks_in_cycle(database, customer, QUOTA[plan] - 2)

    ok(await customer.create(), 201)
    ok(await customer.create(), 201)
    response = await customer.create()

    answer = refused(response, 402, "quota_exceeded")
    assert "retry-after" not in response.headers
    assert answer["agent_contract"]["retryable"] is False
    assert advice(answer) == ["check_billing_status"]
    status = ok(await customer.read("/v1/billing/status"))
    assert status["tasksCreatedThisCycle"] == status["plan"]["maxTasksPerMonth"] == QUOTA[plan]


async def test_a_used_up_quota_is_filled_one_by_one(customer: Caller) -> None:
    for _ in range(120):
        await customer.task()
    customer.service.clock.advance(3600)
    for _ in range(80):
        await customer.task()

    refused(await customer.create(), 402, "quota_exceeded")


async def test_fifty_creates_at_once_use_a_quota_up_exactly(
    customer: Caller, database: Database
) -> None:
    set_tasks_in_cycle(database, customer, 183)

    answers = await asyncio.gather(*[customer.create() for _ in range(50)])

    assert sum(answer.status_code == 201 for answer in answers) == 17
    for answer in answers:
        if answer.status_code != 201:
            refused(answer, 402, "quota_exceeded")
    assert ok(await customer.read("/v1/billing/status"))["tasksCreatedThisCycle"] == 200


async def test_a_refusal_by_quota_takes_nothing_from_the_window(
    customer: Caller, database: Database
) -> None:
    set_tasks_in_cycle(database, customer, 200)

    for _ in range(2):
        response = await customer.create()
        refused(response, 402, "quota_exceeded")
        assert limit_left(response)[1] == 120


async def test_with_a_used_up_quota_claims_go_on(customer: Caller, database: Database) -> None:
    await customer.task()
    set_tasks_in_cycle(database, customer, 200)

    status = ok(await customer.read("/v1/billing/status"))
    claim = ok(await customer.claim_next())

    assert advice(status) == ["claim_task", "check_billing_status"]
    assert claim["task"]


async def test_a_cycle_ends_after_thirty_days_to_the_millisecond(
    customer: Caller, database: Database
) -> None:
    set_tasks_in_cycle(database, customer, 200)
    customer.service.clock.advance(CYCLE - 5 - 0.001)
    refused(await customer.create(), 402, "quota_exceeded")

    customer.service.clock.advance(0.001)
    ok(await customer.create(), 201)

    status = ok(await customer.read("/v1/billing/status"))
    assert status["tasksCreatedThisCycle"] == 1
    assert status["cycleStartedAt"] == "2027-02-14T08:00:00.000Z"


async def test_cycles_roll_by_whole_cycles_however_long_nobody_came(
    customer: Caller,
) -> None:
    await customer.task()
    customer.service.clock.advance(3 * CYCLE + 10 * DAY)

    status = ok(await customer.read("/v1/billing/status"))
    await customer.task()
    after = ok(await customer.read("/v1/billing/status"))

    assert status["tasksCreatedThisCycle"] == 0
    assert status["cycleStartedAt"] == after["cycleStartedAt"] == "2027-04-15T08:00:00.000Z"
    assert after["tasksCreatedThisCycle"] == 1


async def test_a_plan_that_ran_out_says_so_where_it_would_have_helped(
    customer: Caller, database: Database
) -> None:
    set_tasks_in_cycle(database, customer, 200)
    put_on_plan(database, customer, "pro", days=-1)

    answer = refused(await customer.create(), 402, "plan_expired")

    assert answer["agent_contract"]["retryable"] is False
    assert advice(answer) == ["check_billing_status"]


async def test_a_plan_that_ran_out_would_not_have_helped_either(
    customer: Caller, database: Database
) -> None:
    set_tasks_in_cycle(database, customer, 5_000)
    put_on_plan(database, customer, "basic", days=-1)

    refused(await customer.create(), 402, "quota_exceeded")


async def test_a_plan_works_until_the_millisecond_it_ends(
    customer: Caller, database: Database
) -> None:
    put_on_plan(database, customer, "basic", days=1)
    set_tasks_in_cycle(database, customer, 200)
    customer.service.clock.advance(DAY - 10 - 0.001)
    ok(await customer.create(), 201)

    customer.service.clock.advance(0.001)

    refused(await customer.create(), 402, "plan_expired")


async def test_the_status_of_a_plan_that_ran_out_shows_free_and_its_end(
    customer: Caller, database: Database
) -> None:
    set_tasks_in_cycle(database, customer, 200)
    put_on_plan(database, customer, "pro", days=-1)

    status = ok(await customer.read("/v1/billing/status"))

    assert status["plan"]["id"] == "free"
    assert status["planExpiresAt"] == "2027-01-14T08:00:05.000Z"
    assert status["tasksCreatedThisCycle"] == 200
    assert status["cycleStartedAt"] == "2027-01-15T08:00:00.000Z"
    assert recommended(status)["action"] == "claim_task"


async def test_within_the_free_limits_a_plan_that_ran_out_is_not_missed(
    customer: Caller, database: Database
) -> None:
    put_on_plan(database, customer, "pro", days=-1)

    ok(await customer.create(), 201)
    ok(await customer.claim_next())


async def test_a_paid_status_shows_plan_and_end(customer: Caller, database: Database) -> None:
    put_on_plan(database, customer, "pro", days=30)

    status = ok(await customer.read("/v1/billing/status"))

    assert status["plan"]["id"] == "pro"
    assert status["planExpiresAt"] == "2027-02-14T08:00:00.000Z"
    assert recommended(status)["action"] == "create_task"
