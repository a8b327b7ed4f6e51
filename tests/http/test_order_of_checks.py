"""Of two things wrong with a request, the one that is checked first is answered."""

import pytest

from orchestrion.core.limits import BODY_BYTES_MAX
from tests.databases import Database
from tests.harness import Account, Harness
from tests.http.accounts import set_tasks_in_cycle, set_used
from tests.http.callers import Caller, ok, refused

BAD_KEY = {"Authorization": "Bearer orch_live_" + "0" * 64}
KEY_IN_QUERY = "key=orch_live_1"


async def test_an_unknown_route_is_unknown_whatever_else_is_wrong(service: Harness) -> None:
    answer = await service.client.post(f"/v1/nothing?{KEY_IN_QUERY}", content=b"{", headers=BAD_KEY)

    refused(answer, 404, "invalid_request")


async def test_a_wrong_method_is_wrong_whatever_else_is_wrong(service: Harness) -> None:
    answer = await service.client.delete(f"/v1/tasks?{KEY_IN_QUERY}", headers=BAD_KEY)

    refused(answer, 405, "invalid_request")


@pytest.mark.parametrize("headers", [{}, BAD_KEY], ids=["missing", "bad"])
@pytest.mark.parametrize("query", [KEY_IN_QUERY, "api_key=x", "token=x", "type=orch_live_1"])
async def test_a_key_in_the_query_comes_before_the_header(
    query: str, headers: dict[str, str], service: Harness
) -> None:
    answer = refused(
        await service.client.get(f"/v1/tasks?{query}", headers=headers), 400, "invalid_request"
    )

    assert "Authorization" in answer["message"]


async def test_a_key_in_the_query_of_a_public_path_is_refused_too(service: Harness) -> None:
    refused(await service.client.get("/v1/billing/plans?token=x"), 400, "invalid_request")


@pytest.mark.parametrize("query", ["type=a&type=b", "type=%ff", "type=%", "x=" + "a" * 9_000])
async def test_a_missing_key_comes_before_a_bad_query(query: str, service: Harness) -> None:
    refused(await service.client.get(f"/v1/tasks?{query}"), 401, "missing_api_key")


@pytest.mark.parametrize("query", ["type=a&type=b&key=x", "x=%ff&x=orch_live_1", "%&token=x"])
async def test_a_key_in_a_bad_query_is_still_a_key_in_the_query(query: str, caller: Caller) -> None:
    answer = refused(await caller.read(f"/v1/tasks?{query}"), 400, "invalid_request")

    assert "Authorization" in answer["message"]


async def test_a_missing_key_comes_before_a_bad_body(service: Harness) -> None:
    refused(await service.client.post("/v1/tasks", content=b"{"), 401, "missing_api_key")


async def test_a_bad_key_comes_before_a_bad_body(service: Harness) -> None:
    answer = await service.client.post("/v1/tasks", content=b"{", headers=BAD_KEY)

    refused(answer, 401, "invalid_api_key")


async def test_a_bad_key_comes_before_a_large_body(service: Harness) -> None:
    body = b" " * (BODY_BYTES_MAX + 1)

    refused(
        await service.client.post("/v1/tasks", content=body, headers=BAD_KEY),
        401,
        "invalid_api_key",
    )


async def test_a_bad_key_comes_before_an_unknown_task(service: Harness) -> None:
    refused(await service.client.get("/v1/tasks/x", headers=BAD_KEY), 401, "invalid_api_key")


async def test_a_full_window_of_reads_comes_before_a_bad_query(frugal: Caller) -> None:
    for _ in range(5):
        refused(await frugal.read("/v1/tasks?limit=0"), 400, "invalid_request")

    refused(await frugal.read("/v1/tasks?limit=0"), 429, "rate_limited")


async def test_a_full_window_of_registrations_comes_before_a_bad_body(service: Harness) -> None:
    for _ in range(10):
        refused(
            await service.client.post("/v1/keys/register", json={"email": "x"}),
            400,
            "invalid_request",
        )

    answer = await service.client.post("/v1/keys/register", json={"email": "x"})

    refused(answer, 429, "rate_limited")


async def test_a_bad_body_comes_before_an_unknown_task(caller: Caller) -> None:
    refused(await caller.do("complete", "tsk_x", result=1), 400, "invalid_request")
    refused(await caller.do("claim", "tsk_x", worker_id=""), 400, "invalid_request")
    refused(await caller.do("fail", "tsk_x", retry_after_seconds=0), 400, "invalid_request")


async def test_a_wrong_type_of_body_comes_before_an_unknown_task(caller: Caller) -> None:
    answer = await caller.service.client.post(
        "/v1/tasks/tsk_x/complete",
        content=b"<result/>",
        headers={**caller.account.headers, "Content-Type": "text/xml"},
    )

    refused(answer, 415, "invalid_request")


async def test_an_unknown_task_comes_before_a_full_house(customer: Caller) -> None:
    for _ in range(2):
        await customer.held()

    refused(await customer.do("claim", "tsk_x"), 404, "task_not_found")


async def test_an_unknown_task_comes_before_a_full_window(
    customer: Caller, database: Database
) -> None:
    set_used(database, customer, claims=120)

    refused(await customer.do("claim", "tsk_x"), 404, "task_not_found")


async def test_a_replay_comes_before_quota_and_window(customer: Caller, database: Database) -> None:
    first = await customer.task(idempotencyKey="k")
    set_used(database, customer, creates=120)
    set_tasks_in_cycle(database, customer, 200)

    assert ok(await customer.create(idempotencyKey="k"), 201)["id"] == first["id"]
    refused(await customer.create(idempotencyKey="other"), 429, "rate_limited")


async def test_a_conflict_comes_before_quota_and_window(
    customer: Caller, database: Database
) -> None:
    await customer.task(idempotencyKey="k")
    set_used(database, customer, creates=120)

    answer = await customer.create(idempotencyKey="k", priority=1)

    refused(answer, 409, "idempotency_conflict")


async def test_a_bad_body_comes_before_a_replay(caller: Caller) -> None:
    await caller.task(idempotencyKey="k")

    refused(await caller.create(idempotencyKey="k", priority=101), 400, "invalid_request")


async def test_a_bad_schedule_comes_before_the_window(customer: Caller, database: Database) -> None:
    set_used(database, customer, creates=120)

    answer = await customer.create(scheduledAt="2028-01-15T08:00:00Z")

    refused(answer, 400, "invalid_request")


async def test_the_creates_window_comes_before_the_quota(
    customer: Caller, database: Database
) -> None:
    set_tasks_in_cycle(database, customer, 200)
    refused(await customer.create(), 402, "quota_exceeded")

    set_used(database, customer, creates=120)

    refused(await customer.create(), 429, "rate_limited")


async def test_the_claims_window_comes_before_a_full_house(
    customer: Caller, database: Database
) -> None:
    for _ in range(2):
        await customer.held()
    refused(await customer.claim_next(), 429, "max_workers_reached")

    set_used(database, customer, claims=120)

    refused(await customer.claim_next(), 429, "rate_limited")


async def test_a_full_house_comes_before_the_state_of_the_task(customer: Caller) -> None:
    held = [await customer.held() for _ in range(2)]
    later = await customer.task(scheduledAt="2027-01-15T09:00:00Z")

    for task_id in (held[0]["task"]["id"], later["id"]):
        refused(await customer.do("claim", task_id), 429, "max_workers_reached")


async def test_a_bad_plan_comes_before_payments_that_are_off(
    service: Harness, account: Account
) -> None:
    caller = Caller(service, account)

    refused(
        await caller.send("POST", "/v1/billing/checkout", {"planId": "free"}),
        400,
        "invalid_request",
    )
    refused(
        await caller.send("POST", "/v1/billing/checkout", {"planId": "pro"}), 503, "server_error"
    )
