"""Plans, usage and buying, where payments are not configured."""

import pytest

from tests.harness import Harness
from tests.http.callers import Caller, advice, ok, refused


async def test_the_plans_need_no_key(hosted: Harness) -> None:
    answer = ok(await hosted.client.get("/v1/billing/plans"))

    assert [plan["id"] for plan in answer["plans"]] == ["free", "basic", "pro", "agency"]
    assert [plan["priceUsd"] for plan in answer["plans"]] == [0, 9.99, 24.99, 59.99]
    assert not any(plan["purchasable"] for plan in answer["plans"])
    assert advice(answer) == ["check_billing_status"]


async def test_a_price_is_written_with_its_own_digits(hosted: Harness) -> None:
    text = (await hosted.client.get("/v1/billing/plans")).text

    assert '"priceUsd":9.99,' in text
    assert '"priceUsd":0,' in text


async def test_the_status_shows_plan_and_usage(customer: Caller) -> None:
    for _ in range(3):
        await customer.task()

    answer = await customer.read("/v1/billing/status")

    body = ok(answer)
    assert body["plan"]["id"] == "free"
    assert body["planExpiresAt"] is None
    assert body["tasksCreatedThisCycle"] == 3
    assert body["cycleStartedAt"] == "2027-01-15T08:00:00.000Z"
    assert body["request_id"] == answer.headers["x-request-id"]
    assert advice(body) == ["create_task", "check_billing_status", "claim_task"]


async def test_the_status_shows_the_same_plan_as_the_list(customer: Caller) -> None:
    plans = ok(await customer.read("/v1/billing/plans"))["plans"]

    assert ok(await customer.read("/v1/billing/status"))["plan"] == plans[0]


@pytest.mark.parametrize("plan_id", ["free", "gold", "", "PRO"])
async def test_a_plan_that_is_not_for_sale_is_refused_first(plan_id: str, customer: Caller) -> None:
    answer = refused(
        await customer.send("POST", "/v1/billing/checkout", {"planId": plan_id}),
        400,
        "invalid_request",
    )

    assert advice(answer) == ["fix_request", "check_billing_status"]


@pytest.mark.parametrize("plan_id", ["basic", "pro", "agency"])
async def test_checkout_without_payments_says_so_and_names_no_wait(
    plan_id: str, customer: Caller
) -> None:
    response = await customer.send("POST", "/v1/billing/checkout", {"planId": plan_id})

    answer = refused(response, 503, "server_error")
    assert "not configured" in answer["message"]
    assert answer["agent_contract"]["retryable"] is False
    assert advice(answer) == ["check_billing_status"]
    assert "retry-after" not in response.headers


async def test_without_payments_every_purchase_is_unknown(customer: Caller) -> None:
    answer = refused(
        await customer.send("POST", "/v1/billing/verify", {"purchaseId": "pur_1"}),
        404,
        "invalid_request",
    )

    assert advice(answer) == ["fix_request", "check_billing_status"]
