"""Who does nothing but what is recommended arrives, from every answer there is."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from tests.databases import Database, Trouble
from tests.http.accounts import put_on_plan, set_tasks_in_cycle, set_used
from tests.http.callers import Caller, Json, Response
from tests.http.situations import BUILDS, Situation, contracts, pending, questions
from tests.http.walking import Walker

TASK: Json = {"type": "report", "payload": {}}


@pytest.mark.parametrize("name", BUILDS)
async def test_from_every_state_and_question_the_advice_arrives(name: str, caller: Caller) -> None:
    crowd = caller.unchecked()
    for question, ask in questions().items():
        answer = (await ask(await BUILDS[name](crowd))).json()
        for number in range(len(contracts(answer))):
            situation = await BUILDS[name](crowd)
            again = contracts((await ask(situation)).json())[number]
            walker = Walker(situation)

            await walker.follow({"agent_contract": again})

            assert walker.trail, (question, number)


Scene = Callable[[Caller, Trouble, Database], Awaitable[Response]]


async def registered(customer: Caller, _: Trouble, __: Database) -> Response:
    return await customer.send("POST", "/v1/keys/register")


async def missing_key(customer: Caller, _: Trouble, __: Database) -> Response:
    return await customer.client.get("/v1/tasks")


async def wrong_key(customer: Caller, _: Trouble, __: Database) -> Response:
    return await customer.read("/v1/tasks", Authorization="Bearer nonsense")


async def unknown_task(customer: Caller, _: Trouble, __: Database) -> Response:
    return await customer.do("complete", "tsk_unknown")


async def unknown_route(customer: Caller, _: Trouble, __: Database) -> Response:
    return await customer.read("/v1/nothing")


async def bad_body(customer: Caller, _: Trouble, __: Database) -> Response:
    return await customer.create(priority=101)


async def plans(customer: Caller, _: Trouble, __: Database) -> Response:
    return await customer.read("/v1/billing/plans")


async def status(customer: Caller, _: Trouble, __: Database) -> Response:
    return await customer.read("/v1/billing/status")


async def status_used_up(customer: Caller, _: Trouble, database: Database) -> Response:
    set_tasks_in_cycle(database, customer, 200)
    return await customer.read("/v1/billing/status")


async def status_lapsed(customer: Caller, _: Trouble, database: Database) -> Response:
    put_on_plan(database, customer, "pro", days=-1)
    return await customer.read("/v1/billing/status")


async def checkout_off(customer: Caller, _: Trouble, __: Database) -> Response:
    return await customer.send("POST", "/v1/billing/checkout", {"planId": "pro"})


async def checkout_of_no_plan(customer: Caller, _: Trouble, __: Database) -> Response:
    return await customer.send("POST", "/v1/billing/checkout", {"planId": "free"})


async def unknown_purchase(customer: Caller, _: Trouble, __: Database) -> Response:
    return await customer.send("POST", "/v1/billing/verify", {"purchaseId": "pur_1"})


async def page_with_more(customer: Caller, _: Trouble, __: Database) -> Response:
    for _number in range(3):
        await customer.task()
    return await customer.read("/v1/tasks?limit=1")


async def conflict(customer: Caller, _: Trouble, __: Database) -> Response:
    await customer.task(idempotencyKey="k")
    return await customer.create(idempotencyKey="k", priority=1)


async def in_flight(customer: Caller, trouble: Trouble, _: Database) -> Response:
    trouble.hold()
    first = asyncio.create_task(customer.create(**TASK, idempotencyKey="k"))
    await trouble.held()
    second = await customer.create(**TASK, idempotencyKey="k")
    trouble.release()
    await first
    return second


async def quota_exceeded(customer: Caller, _: Trouble, database: Database) -> Response:
    set_tasks_in_cycle(database, customer, 200)
    return await customer.create()


async def plan_expired(customer: Caller, _: Trouble, database: Database) -> Response:
    set_tasks_in_cycle(database, customer, 200)
    put_on_plan(database, customer, "pro", days=-1)
    return await customer.create()


async def full_house(customer: Caller, _: Trouble, __: Database) -> Response:
    for _number in range(2):
        await customer.held(leaseDurationSeconds=100)
    return await customer.claim_next()


async def creates_used_up(customer: Caller, _: Trouble, database: Database) -> Response:
    set_used(database, customer, creates=120)
    return await customer.create()


async def claims_used_up(customer: Caller, _: Trouble, database: Database) -> Response:
    set_used(database, customer, claims=120)
    return await customer.claim_next()


async def registrations_used_up(customer: Caller, _: Trouble, __: Database) -> Response:
    for _number in range(10):
        await customer.send("POST", "/v1/keys/register")
    return await customer.send("POST", "/v1/keys/register")


async def disk_full(customer: Caller, trouble: Trouble, _: Database) -> Response:
    trouble.full = True
    answer = await customer.create()
    trouble.full = False
    return answer


async def create_lost(customer: Caller, trouble: Trouble, _: Database) -> Response:
    trouble.loses_commits = True
    answer = await customer.create()
    trouble.loses_commits = False
    return answer


async def complete_lost(customer: Caller, trouble: Trouble, _: Database) -> Response:
    claim = await customer.held(leaseDurationSeconds=60)
    trouble.loses_commits = True
    answer = await customer.do("complete", claim["task"]["id"])
    trouble.loses_commits = False
    return answer


SCENES: tuple[Scene, ...] = (
    registered,
    missing_key,
    wrong_key,
    unknown_task,
    unknown_route,
    bad_body,
    plans,
    status,
    status_used_up,
    status_lapsed,
    checkout_off,
    checkout_of_no_plan,
    unknown_purchase,
    page_with_more,
    conflict,
    in_flight,
    quota_exceeded,
    plan_expired,
    full_house,
    creates_used_up,
    claims_used_up,
    registrations_used_up,
    disk_full,
    create_lost,
    complete_lost,
)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
async def test_from_every_other_answer_the_advice_arrives(
    scene: Scene, customer: Caller, trouble: Trouble, database: Database
) -> None:
    waiting = await pending(customer)
    situation = Situation(caller=customer, task_id=waiting.task_id, type=waiting.type)
    response = await scene(customer, trouble, database)
    sent = response.request.content
    walker = Walker(situation)

    await walker.follow(response.json(), json.loads(sent) if sent else None)

    assert walker.trail
