"""The hourly windows of creates and claims: exact, and told in the headers."""

import asyncio

import pytest

from tests.databases import Database
from tests.http.accounts import put_on_plan, set_used
from tests.http.callers import (
    Caller,
    Response,
    advice,
    limit_left,
    limit_policy,
    ok,
    recommended,
    refused,
)

HOUR = 3600
CREATES = {"free": 120, "basic": 500, "pro": 2_000, "agency": 7_500}
CLAIMS = {"free": 120, "basic": 1_200, "pro": 4_000, "agency": 15_000}


async def finish(customer: Caller, response: Response) -> None:
    """Complete what was claimed, so that no lease stands in the way of the next claim."""
    ok(await customer.do("complete", ok(response)["task"]["id"]))


async def test_a_window_takes_as_many_creates_as_the_plan_says(customer: Caller) -> None:
    for left in range(119, -1, -1):
        response = await customer.create()
        assert ok(response, 201)
        assert limit_left(response) == ("creates", left, HOUR)
        assert limit_policy(response) == ("creates", 120, HOUR)

    response = await customer.create()

    answer = refused(response, 429, "rate_limited")
    assert limit_left(response) == ("creates", 0, HOUR)
    assert response.headers["retry-after"] == "3600"
    assert advice(answer) == ["retry_after_wait"]
    assert recommended(answer)["endpoint"] == "/v1/tasks"
    assert answer["agent_contract"]["retryable"] is True
    assert len(ok(await customer.read("/v1/tasks?limit=100"))["items"]) == 100
    assert ok(await customer.read("/v1/billing/status"))["tasksCreatedThisCycle"] == 120


@pytest.mark.parametrize("plan", CREATES)
async def test_the_last_create_of_a_window_passes_and_the_next_does_not(
    plan: str, customer: Caller, database: Database
) -> None:
    put_on_plan(database, customer, plan)
    set_used(database, customer, creates=CREATES[plan] - 2)

    before = await customer.create()
    last = await customer.create()
    after = await customer.create()

    assert limit_left(before)[:2] == ("creates", 1)
    assert limit_left(last)[:2] == ("creates", 0)
    assert limit_policy(last) == ("creates", CREATES[plan], HOUR)
    ok(last, 201)
    refused(after, 429, "rate_limited")


@pytest.mark.parametrize("plan", CLAIMS)
async def test_the_last_claim_of_a_window_passes_and_the_next_does_not(
    plan: str, customer: Caller, database: Database
) -> None:
    put_on_plan(database, customer, plan)
    for _ in range(3):
        await customer.task()
    set_used(database, customer, claims=CLAIMS[plan] - 2)

    before = await customer.claim_next()
    await finish(customer, before)
    last = await customer.claim_next()
    await finish(customer, last)
    after = await customer.claim_next()

    assert limit_left(before)[:2] == ("claims", 1)
    assert limit_left(last)[:2] == ("claims", 0)
    assert limit_policy(last) == ("claims", CLAIMS[plan], HOUR)
    answer = refused(after, 429, "rate_limited")
    assert recommended(answer)["endpoint"] == "/v1/tasks/claim"


async def test_claims_by_id_and_by_type_share_a_window(
    customer: Caller, database: Database
) -> None:
    tasks = [await customer.task() for _ in range(3)]
    set_used(database, customer, claims=118)

    await finish(customer, await customer.do("claim", tasks[0]["id"]))
    await finish(customer, await customer.claim_next())

    refused(await customer.claim_next(), 429, "rate_limited")
    answer = refused(await customer.do("claim", tasks[2]["id"]), 429, "rate_limited")
    assert recommended(answer)["endpoint"] == f"/v1/tasks/{tasks[2]['id']}/claim"


async def test_a_window_opens_again_when_its_hour_is_over(
    customer: Caller, database: Database
) -> None:
    await customer.task()
    set_used(database, customer, creates=120)
    response = await customer.create()
    refused(response, 429, "rate_limited")
    wait = int(response.headers["retry-after"])

    customer.service.clock.advance(wait - 0.001)
    last_refusal = await customer.create()
    assert refused(last_refusal, 429, "rate_limited")
    assert last_refusal.headers["retry-after"] == "1"
    customer.service.clock.advance(0.001)

    assert limit_left(await customer.create()) == ("creates", 119, HOUR)


async def test_what_the_header_leaves_is_what_passes(customer: Caller, database: Database) -> None:
    set_used(database, customer, creates=113)
    response = await customer.create()
    _, left, _ = limit_left(response)

    answers = [await customer.create() for _ in range(left + 1)]

    assert [answer.status_code for answer in answers] == [201] * left + [429]
    assert [limit_left(answer)[1] for answer in answers] == [*range(left - 1, -1, -1), 0]


async def test_fifty_creates_at_once_fill_a_window_exactly(
    customer: Caller, database: Database
) -> None:
    set_used(database, customer, creates=120 - 17)

    answers = await asyncio.gather(*[customer.create() for _ in range(50)])

    made = [answer for answer in answers if answer.status_code == 201]
    assert len(made) == 17
    assert sorted(limit_left(answer)[1] for answer in made) == list(range(17))
    for answer in answers:
        if answer.status_code != 201:
            refused(answer, 429, "rate_limited")
    assert len(ok(await customer.read("/v1/tasks?limit=100"))["items"]) == 17


async def test_fifty_claims_at_once_fill_a_window_exactly(
    customer: Caller, database: Database
) -> None:
    put_on_plan(database, customer, "agency")
    await asyncio.gather(*[customer.task() for _ in range(50)])
    set_used(database, customer, claims=15_000 - 17)

    answers = await asyncio.gather(*[customer.claim_next() for _ in range(50)])

    assert sum(answer.status_code == 200 for answer in answers) == 17
    for answer in answers:
        if answer.status_code != 200:
            refused(answer, 429, "rate_limited")


async def test_a_refused_create_takes_nothing_from_the_window(customer: Caller) -> None:
    ok(await customer.create(), 201)
    refused(await customer.create(priority=101), 400, "invalid_request")

    assert limit_left(await customer.create())[1] == 118


async def test_an_empty_claim_takes_nothing_from_the_window_of_claims(
    customer: Caller,
) -> None:
    for _ in range(3):
        response = await customer.claim_next()
        assert limit_left(response) == ("claims", 120, HOUR)

    await customer.task()

    assert limit_left(await customer.claim_next()) == ("claims", 119, HOUR)


async def test_a_claim_refused_by_state_takes_nothing_from_the_window(
    customer: Caller,
) -> None:
    task = await customer.dead()
    refused(await customer.do("claim", task["id"]), 409, "invalid_transition")

    assert limit_left(await customer.claim_next())[1] == 119
