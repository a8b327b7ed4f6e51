"""Every code of the catalogue, provoked; a code without a case fails here."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

import msgspec
import pytest

from orchestrion.core.errors import ErrorCode
from tests.databases import Database, Trouble
from tests.http.accounts import put_on_plan, set_tasks_in_cycle
from tests.http.callers import Caller, Response, ok, recommended, refused


class Scene(msgspec.Struct, frozen=True):
    """What a case works with."""

    customer: Caller
    trouble: Trouble
    database: Database


Provoke = Callable[[Scene], Awaitable[Response]]


class Case(msgspec.Struct, frozen=True):
    """How to get a code, and what comes with it."""

    provoke: Provoke
    status: int
    action: str
    retryable: bool = False


async def missing_api_key(scene: Scene) -> Response:
    return await scene.customer.service.client.get("/v1/tasks")


async def invalid_api_key(scene: Scene) -> Response:
    return await scene.customer.read("/v1/tasks", Authorization="Bearer orch_live_0")


async def invalid_request(scene: Scene) -> Response:
    return await scene.customer.read("/v1/tasks?limit=0")


async def task_not_found(scene: Scene) -> Response:
    return await scene.customer.show("tsk_0")


async def invalid_transition(scene: Scene) -> Response:
    task = await scene.customer.task()
    return await scene.customer.do("complete", task["id"])


async def lease_expired(scene: Scene) -> Response:
    claim = await scene.customer.held()
    scene.customer.service.clock.advance(300)
    return await scene.customer.do("complete", claim["task"]["id"])


async def task_currently_claimed(scene: Scene) -> Response:
    claim = await scene.customer.held()
    return await scene.customer.do("cancel", claim["task"]["id"])


async def not_yet_claimable(scene: Scene) -> Response:
    task = await scene.customer.task(scheduledAt="2027-01-15T09:00:00Z")
    return await scene.customer.do("claim", task["id"])


async def idempotency_conflict(scene: Scene) -> Response:
    await scene.customer.task(idempotencyKey="k")
    return await scene.customer.create(idempotencyKey="k", priority=1)


async def idempotency_in_flight(scene: Scene) -> Response:
    scene.trouble.hold()
    first = asyncio.create_task(scene.customer.create(idempotencyKey="k"))
    await scene.trouble.held()
    second = await scene.customer.create(idempotencyKey="k")
    scene.trouble.release()
    ok(await first, 201)
    return second


async def quota_exceeded(scene: Scene) -> Response:
    set_tasks_in_cycle(scene.database, scene.customer, 200)
    return await scene.customer.create()


async def plan_expired(scene: Scene) -> Response:
    set_tasks_in_cycle(scene.database, scene.customer, 200)
    put_on_plan(scene.database, scene.customer, "basic", days=-1)
    return await scene.customer.create()


async def max_workers_reached(scene: Scene) -> Response:
    for _ in range(2):
        await scene.customer.held()
    await scene.customer.task()
    return await scene.customer.claim_next()


async def rate_limited(scene: Scene) -> Response:
    for _ in range(60):
        ok(await scene.customer.read("/v1/billing/plans"))
    return await scene.customer.read("/v1/billing/plans")


async def server_error(scene: Scene) -> Response:
    scene.trouble.full = True
    return await scene.customer.create()


CASES: Mapping[ErrorCode, Case] = MappingProxyType(
    {
        ErrorCode.MISSING_API_KEY: Case(missing_api_key, 401, "authenticate"),
        ErrorCode.INVALID_API_KEY: Case(invalid_api_key, 401, "authenticate"),
        ErrorCode.INVALID_REQUEST: Case(invalid_request, 400, "fix_request"),
        ErrorCode.TASK_NOT_FOUND: Case(task_not_found, 404, "list_tasks"),
        ErrorCode.INVALID_TRANSITION: Case(invalid_transition, 409, "check_task_status"),
        ErrorCode.LEASE_EXPIRED: Case(lease_expired, 409, "check_task_status"),
        ErrorCode.TASK_CURRENTLY_CLAIMED: Case(
            task_currently_claimed, 409, "check_task_status", retryable=True
        ),
        ErrorCode.NOT_YET_CLAIMABLE: Case(
            not_yet_claimable, 409, "retry_after_wait", retryable=True
        ),
        ErrorCode.IDEMPOTENCY_CONFLICT: Case(idempotency_conflict, 409, "create_task"),
        ErrorCode.IDEMPOTENCY_IN_FLIGHT: Case(
            idempotency_in_flight, 503, "retry_after_wait", retryable=True
        ),
        # Nothing can be bought yet, so nobody is sent to buy.
        ErrorCode.QUOTA_EXCEEDED: Case(quota_exceeded, 402, "check_billing_status"),
        ErrorCode.PLAN_EXPIRED: Case(plan_expired, 402, "check_billing_status"),
        ErrorCode.MAX_WORKERS_REACHED: Case(
            max_workers_reached, 429, "retry_after_wait", retryable=True
        ),
        ErrorCode.RATE_LIMITED: Case(rate_limited, 429, "retry_after_wait", retryable=True),
        ErrorCode.SERVER_ERROR: Case(server_error, 503, "retry_after_wait", retryable=True),
    }
)


@pytest.mark.parametrize("code", CASES)
async def test_a_code_is_answered_with_its_status_and_its_way_on(
    code: ErrorCode, customer: Caller, trouble: Trouble, database: Database
) -> None:
    case = CASES[code]

    answer = refused(await case.provoke(Scene(customer, trouble, database)), case.status, code)

    assert recommended(answer)["action"] == case.action
    assert answer["agent_contract"]["retryable"] is case.retryable


def test_payment_failed_is_the_one_code_that_needs_payments() -> None:
    assert set(ErrorCode) - set(CASES) == {ErrorCode.PAYMENT_FAILED}


async def test_the_capabilities_promise_what_was_answered(customer: Caller) -> None:
    capabilities = (await customer.read("/v1/capabilities")).json()

    promised = {row["code"]: row for row in capabilities["errors"]}
    assert set(promised) == set(ErrorCode)
    for code, case in CASES.items():
        assert case.status in promised[code]["statuses"], code
        assert promised[code]["recommended_action"] == case.action, code
        assert promised[code]["retryable"] is case.retryable, code


async def test_a_missing_key_and_a_wrong_key_are_challenged_differently(customer: Caller) -> None:
    client = customer.service.client

    missing = await client.get("/v1/tasks")
    other_scheme = await client.get("/v1/tasks", headers={"Authorization": "Basic eDp5"})
    wrong = await client.get("/v1/tasks", headers={"Authorization": "Bearer x"})

    assert missing.headers["www-authenticate"] == 'Bearer realm="orchestrion"'
    assert other_scheme.headers["www-authenticate"] == 'Bearer realm="orchestrion"'
    refused(other_scheme, 401, "missing_api_key")
    assert wrong.headers["www-authenticate"] == (
        'Bearer realm="orchestrion", error="invalid_token"'
    )


async def test_a_full_house_is_described(
    customer: Caller, trouble: Trouble, database: Database
) -> None:
    scene = Scene(customer, trouble, database)

    answer = refused(await max_workers_reached(scene), 429, "max_workers_reached")

    assert answer["billing_context"] == {
        "plan": "free",
        "workers_in_use": 2,
        "workers_limit": 2,
    }


async def test_only_a_full_house_and_a_lost_lease_have_more_to_say(
    customer: Caller, trouble: Trouble, database: Database
) -> None:
    extra = {
        ErrorCode.MAX_WORKERS_REACHED: {"billing_context"},
        ErrorCode.LEASE_EXPIRED: {"details"},
    }
    for code in (
        ErrorCode.MISSING_API_KEY,
        ErrorCode.INVALID_TRANSITION,
        ErrorCode.LEASE_EXPIRED,
        ErrorCode.TASK_NOT_FOUND,
        ErrorCode.MAX_WORKERS_REACHED,
    ):
        answer = (await CASES[code].provoke(Scene(customer, trouble, database))).json()
        base = {"error", "message", "request_id", "agent_contract"}
        assert set(answer) == base | extra.get(code, set())
