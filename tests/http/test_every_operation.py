"""Every row of the table of operations does what it is there for; a row without a case fails."""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

import pytest

from orchestrion.core.operations import BY_NAME
from tests.http.callers import Caller, Response

Use = Callable[[Caller], Awaitable[Response]]

# Without payments these have nothing to succeed with; with payments they are tested on their own.
NEED_PAYMENTS = {"start_checkout", "verify_payment", "receive_payment_event"}


def reading(path: str) -> Use:
    return lambda caller: caller.read(path)


async def claim_next_task(caller: Caller) -> Response:
    await caller.task()
    return await caller.claim_next()


async def claim_task(caller: Caller) -> Response:
    return await caller.do("claim", (await caller.task())["id"])


async def check_task_status(caller: Caller) -> Response:
    return await caller.show((await caller.task())["id"])


async def explain_task(caller: Caller) -> Response:
    return await caller.read(f"/v1/tasks/{(await caller.task())['id']}/explain")


async def wait_for_tasks(caller: Caller) -> Response:
    ended = await caller.dead()
    return await caller.send("POST", "/v1/tasks/wait", {"ids": [ended["id"]]})


async def cancel_task(caller: Caller) -> Response:
    return await caller.do("cancel", (await caller.task())["id"])


async def requeue_task(caller: Caller) -> Response:
    return await caller.do("requeue", (await caller.dead())["id"])


def ending(verb: str) -> Use:
    async def end(caller: Caller) -> Response:
        claim = await caller.held()
        return await caller.do(verb, claim["task"]["id"], lease_token=claim["lease_token"])

    return end


def batch(name: str) -> Use:
    async def end(caller: Caller) -> Response:
        claim = await caller.held()
        item = {"id": claim["task"]["id"], "lease_token": claim["lease_token"]}
        return await caller.send("POST", f"/v1/tasks/{name}", {"items": [item]})

    return end


async def create_tasks(caller: Caller) -> Response:
    item = {"type": "report", "payload": {}}
    return await caller.send("POST", "/v1/tasks/batch", {"items": [item, item]})


USES: Mapping[str, Use] = MappingProxyType(
    {
        "create_task": lambda caller: caller.create(),
        "claim_next_task": claim_next_task,
        "claim_task": claim_task,
        "check_task_status": check_task_status,
        "list_tasks": reading("/v1/tasks"),
        "heartbeat": ending("heartbeat"),
        "complete_task": ending("complete"),
        "fail_task": ending("fail"),
        "release_task": ending("release"),
        "create_tasks": create_tasks,
        "complete_tasks": batch("complete"),
        "fail_tasks": batch("fail"),
        "heartbeat_tasks": batch("heartbeat"),
        "explain_task": explain_task,
        "get_stats": reading("/v1/stats"),
        "wait_for_tasks": wait_for_tasks,
        "cancel_task": cancel_task,
        "requeue_task": requeue_task,
        "list_plans": reading("/v1/billing/plans"),
        "check_billing_status": reading("/v1/billing/status"),
        "register_key": lambda caller: caller.send("POST", "/v1/keys/register"),
        "check_health": reading("/health"),
        "get_agent_manifest": reading("/.well-known/agent.json"),
        "get_capabilities": reading("/v1/capabilities"),
        "get_tool_manifest": reading("/v1/tool"),
        "get_schema": reading("/v1/schema"),
        "read_llms_txt": reading("/llms.txt"),
        "read_agents_guide": reading("/AGENTS.md"),
        "read_contract_guide": reading("/AGENT_CONTRACT.md"),
        "read_approved_page": reading("/billing/approved"),
        "read_cancelled_page": reading("/billing/cancelled"),
        "check_liveness": reading("/livez"),
        "check_readiness": reading("/readyz"),
    }
)


def test_every_operation_has_a_case() -> None:
    assert set(BY_NAME) == set(USES) | NEED_PAYMENTS


@pytest.mark.parametrize("name", USES)
async def test_an_operation_succeeds_with_its_status_and_is_noted_under_its_name(
    name: str, caller: Caller
) -> None:
    response = await USES[name](caller)

    noted = caller.service.observer.requests[-1]
    assert response.status_code == BY_NAME[name].status, response.text
    assert (noted.operation, noted.status, noted.error) == (name, BY_NAME[name].status, "")
    assert noted.request_id == response.headers["x-request-id"]


@pytest.mark.parametrize("name", USES)
async def test_an_operation_needs_a_key_exactly_where_the_table_says(
    name: str, caller: Caller
) -> None:
    row = BY_NAME[name]
    body = {"type": "report", "payload": {}} if row.body_required else None

    response = await caller.client.request(row.method, row.path, json=body)

    assert (response.status_code == 401) is (row.access == "keyed"), response.text
