"""maxWorkers: how many leases of an account may live at once."""

import asyncio

import pytest

from tests.databases import Database
from tests.http.accounts import put_on_plan, set_used
from tests.http.callers import Caller, advice, ok, recommended, refused, stranger

WORKERS = {"free": 2, "basic": 10, "pro": 25, "agency": 50}


async def hold(customer: Caller, count: int, **fields: object) -> list[str]:
    """Claim so many tasks; gives their ids."""
    tasks = await asyncio.gather(*[customer.task(**fields) for _ in range(count)])
    for task in tasks:
        ok(await customer.do("claim", task["id"]))
    return [task["id"] for task in tasks]


@pytest.mark.parametrize("plan", WORKERS)
async def test_a_plan_allows_as_many_leases_as_it_says(
    plan: str, customer: Caller, database: Database
) -> None:
    put_on_plan(database, customer, plan)
    await hold(customer, WORKERS[plan] - 1)
    for _ in range(2):
        await customer.task()

    assert ok(await customer.claim_next())["task"]
    answer = refused(await customer.claim_next(), 429, "max_workers_reached")

    assert answer["billing_context"] == {
        "plan": plan,
        "workers_in_use": WORKERS[plan],
        "workers_limit": WORKERS[plan],
    }
    assert answer["agent_contract"]["retryable"] is True
    assert advice(answer) == ["retry_after_wait"]
    assert recommended(answer)["endpoint"] == "/v1/tasks/claim"


@pytest.mark.parametrize("verb", ["complete", "fail"])
async def test_who_ends_a_lease_may_claim_again(verb: str, customer: Caller) -> None:
    held = await hold(customer, 2)
    task = await customer.task()
    refused(await customer.claim_next(), 429, "max_workers_reached")

    ok(await customer.do(verb, held[0], **({"retry_after_seconds": 60} if verb == "fail" else {})))

    assert ok(await customer.claim_next())["task"]["id"] == task["id"]


async def test_a_claim_by_id_counts_too(customer: Caller) -> None:
    await hold(customer, 2)
    task = await customer.task()

    answer = refused(await customer.do("claim", task["id"]), 429, "max_workers_reached")

    assert recommended(answer)["endpoint"] == f"/v1/tasks/{task['id']}/claim"
    assert ok(await customer.show(task["id"]))["status"] == "pending"


async def test_the_wait_is_until_the_first_lease_ends(customer: Caller) -> None:
    await hold(customer, 1, leaseDurationSeconds=60)
    customer.service.clock.advance(35.5)
    await hold(customer, 1, leaseDurationSeconds=60)
    await customer.task()

    response = await customer.claim_next()

    refused(response, 429, "max_workers_reached")
    assert response.headers["retry-after"] == "25"
    customer.service.clock.advance(25)
    assert ok(await customer.claim_next())["task"]


async def test_the_wait_is_thirty_seconds_at_most(customer: Caller) -> None:
    await hold(customer, 2, leaseDurationSeconds=3600)

    response = await customer.claim_next()

    refused(response, 429, "max_workers_reached")
    assert response.headers["retry-after"] == "30"


async def test_a_lease_that_ended_counts_no_more_though_nobody_swept(customer: Caller) -> None:
    held = await hold(customer, 2, leaseDurationSeconds=30)
    customer.service.clock.advance(30)

    claims = [ok(await customer.claim_next())["task"]["id"] for _ in range(2)]

    assert claims == held
    refused(await customer.claim_next(), 429, "max_workers_reached")


async def test_a_heartbeat_needs_no_room(customer: Caller) -> None:
    held = await hold(customer, 2)

    ok(await customer.do("heartbeat", held[0]))

    refused(await customer.claim_next(), 429, "max_workers_reached")


async def test_accounts_do_not_share_room(customer: Caller) -> None:
    await hold(customer, 2)
    other = await stranger(customer.service)
    await hold(other, 2)

    refused(await other.claim_next(), 429, "max_workers_reached")


@pytest.mark.parametrize(("plan", "held"), [("free", 0), ("basic", 3), ("agency", 20)])
async def test_fifty_claims_at_once_fill_the_house_exactly(
    plan: str, held: int, customer: Caller, database: Database
) -> None:
    put_on_plan(database, customer, plan)
    await hold(customer, held)
    await asyncio.gather(*[customer.task() for _ in range(55)])

    answers = await asyncio.gather(*[customer.claim_next() for _ in range(50)])

    room = WORKERS[plan] - held
    assert sum(answer.status_code == 200 for answer in answers) == room
    for answer in answers:
        if answer.status_code != 200:
            body = refused(answer, 429, "max_workers_reached")
            assert body["billing_context"]["workers_in_use"] == WORKERS[plan]
    claimed = ok(await customer.read("/v1/tasks?status=claimed&limit=100"))
    assert len(claimed["items"]) == WORKERS[plan]


async def test_fifty_lives_at_once_never_pass_the_limit(
    customer: Caller, database: Database
) -> None:
    put_on_plan(database, customer, "basic")
    await asyncio.gather(*[customer.task() for _ in range(50)])
    in_use: list[int] = []

    async def live() -> None:
        while True:
            answer = (await customer.claim_next()).json()
            if "error" in answer:
                in_use.append(answer["billing_context"]["workers_in_use"])
                continue
            if answer["task"] is None:
                return
            ok(await customer.do("complete", answer["task"]["id"]))

    await asyncio.gather(*[live() for _ in range(20)])

    assert max(in_use, default=0) <= 10
    done = ok(await customer.read("/v1/tasks?status=completed&limit=100"))
    assert len(done["items"]) == 50


async def test_a_claim_that_a_lapsed_plan_would_have_allowed_says_so(
    customer: Caller, database: Database
) -> None:
    await hold(customer, 2)
    put_on_plan(database, customer, "basic", days=-1)

    answer = refused(await customer.claim_next(), 402, "plan_expired")

    assert advice(answer) == ["check_billing_status"]
    assert "billing_context" not in answer


async def test_the_claims_of_a_lapsed_plan_say_so_too(customer: Caller, database: Database) -> None:
    put_on_plan(database, customer, "pro", days=-1)
    set_used(database, customer, claims=120)

    refused(await customer.claim_next(), 402, "plan_expired")
    task = await customer.task()
    refused(await customer.do("claim", task["id"]), 402, "plan_expired")
