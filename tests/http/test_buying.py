"""A plan is bought: checkout, a human's approval, verify; and what each refusal says."""

import asyncio
from collections.abc import Mapping

import msgspec
import pytest

from orchestrion.core.plans import SELF_HOSTED
from tests.databases import Database
from tests.harness import running
from tests.http.accounts import put_on_plan, set_tasks_in_cycle
from tests.http.callers import (
    Caller,
    Json,
    Response,
    advice,
    next_actions,
    ok,
    recommended,
    refused,
)
from tests.http.goldens import check_golden
from tests.http.market import OPTIONS, SITE, Buyer, selling
from tests.pretend_paypal import PretendPayPal

HOURS = 3_600
DAYS = 24 * HOURS
UNKNOWN = "pur_01M814R073SS6YS3C4DWA7N360"
FORGED = ["", "pur_", "pur_1", UNKNOWN, UNKNOWN.lower(), UNKNOWN + "\n", "tsk_" + UNKNOWN[4:]]


# --- the whole way


async def test_a_plan_is_bought(buyer: Buyer) -> None:
    response = await buyer.start("pro")
    purchase = ok(response, 201)

    assert purchase["purchaseId"].startswith("pur_")
    assert purchase["checkoutUrl"].startswith(buyer.pretend.url)
    assert (purchase["planId"], purchase["planName"]) == ("pro", "Pro")
    assert '"priceUsd":24.99,' in response.text
    assert purchase["checkoutExpiresAt"] == "2027-01-15T11:00:00.000Z"
    assert purchase["request_id"] == response.headers["x-request-id"]
    assert advice(purchase) == ["verify_payment", "check_billing_status"]
    assert "human" in recommended(purchase)["description"]

    buyer.pretend.change(purchase["orderId"], "approve")
    response = await buyer.verify(purchase["purchaseId"])
    verified = ok(response)

    assert verified["outcome"] == "activated"
    assert (verified["purchaseId"], verified["planId"]) == (purchase["purchaseId"], "pro")
    assert verified["request_id"] == response.headers["x-request-id"]
    assert verified["message"]
    assert advice(verified) == ["check_billing_status", "create_task"]
    status = await buyer.status()
    assert status["plan"]["id"] == "pro"
    assert status["planExpiresAt"] == "2027-02-14T08:00:00.000Z"
    assert buyer.captured(purchase) == 1


async def test_who_verifies_again_is_told_so_and_pays_nothing(buyer: Buyer) -> None:
    first = await buyer.bought()
    before = await buyer.status()

    again = ok(await buyer.verify(first["purchaseId"]))

    assert again["outcome"] == "already_confirmed"
    assert again["planId"] == "pro"
    assert advice(again) == ["check_billing_status", "create_task"]
    after = await buyer.status()
    assert after["planExpiresAt"] == before["planExpiresAt"]
    assert buyer.captured(first) == 1


async def test_of_many_verifies_at_once_one_activates(buyer: Buyer) -> None:
    purchase = await buyer.approved()
    crowd = Buyer(buyer.unchecked(), buyer.pretend)

    answers = await asyncio.gather(*(crowd.verify(purchase["purchaseId"]) for _ in range(50)))

    bodies = [answer.json() for answer in answers]
    assert sum(body.get("outcome") == "activated" for body in bodies) == 1
    others = {body.get("outcome", body.get("error")) for body in bodies} - {"activated"}
    assert others <= {"already_confirmed", "server_error"}
    assert ok(await buyer.verify(purchase["purchaseId"]))["outcome"] == "already_confirmed"
    assert buyer.captured(purchase) == 1


async def test_the_human_comes_back_to_a_page_of_ours(buyer: Buyer) -> None:
    purchase = await buyer.opened()
    page = buyer.pretend.page(purchase["checkoutUrl"].removeprefix(buyer.pretend.url))

    assert "24.99 USD" in page.text
    paid = buyer.pretend.page("/checkoutnow/pay", token=purchase["orderId"])
    assert paid.headers["location"].startswith(f"{SITE}/billing/approved?token=")
    landed = await buyer.client.get(paid.headers["location"].removeprefix(SITE))
    assert landed.status_code == 200
    assert ok(await buyer.verify(purchase["purchaseId"]))["outcome"] == "activated"


async def test_who_cancels_can_still_pay(buyer: Buyer) -> None:
    purchase = await buyer.opened()
    left = buyer.pretend.page("/checkoutnow/cancel", token=purchase["orderId"])

    assert left.headers["location"].startswith(f"{SITE}/billing/cancelled?token=")
    refused(await buyer.verify(purchase["purchaseId"]), 402, "payment_failed")
    buyer.pretend.page("/checkoutnow/pay", token=purchase["orderId"])
    assert ok(await buyer.verify(purchase["purchaseId"]))["outcome"] == "activated"


async def test_what_was_bought_is_in_force_at_once(database: Database, buyer: Buyer) -> None:
    set_tasks_in_cycle(database, buyer, 200)
    used_up = refused(await buyer.create(), 402, "quota_exceeded")
    assert advice(used_up) == ["upgrade_plan", "check_billing_status"]
    assert recommended(used_up)["endpoint"] == "/v1/billing/checkout"

    await buyer.bought("basic")

    ok(await buyer.create(), 201)
    status = await buyer.status()
    assert (status["plan"]["id"], status["tasksCreatedThisCycle"]) == ("basic", 1)


async def test_the_same_plan_is_renewed_from_its_end(buyer: Buyer) -> None:
    await buyer.bought("basic")
    buyer.pass_time(10 * DAYS)

    await buyer.bought("basic")

    assert (await buyer.status())["planExpiresAt"] == "2027-03-16T08:00:00.000Z"


async def test_a_plan_that_ran_out_is_renewed(database: Database, buyer: Buyer) -> None:
    set_tasks_in_cycle(database, buyer, 200)
    put_on_plan(database, buyer, "basic", days=-1)
    refusal = refused(await buyer.create(), 402, "plan_expired")
    assert advice(refusal) == ["renew_plan", "check_billing_status"]
    assert advice(await buyer.status())[0] == "renew_plan"

    await buyer.bought("basic")

    ok(await buyer.create(), 201)


# --- what is for sale


async def test_plans_with_a_price_are_for_sale_where_payments_are_configured(buyer: Buyer) -> None:
    plans = ok(await buyer.read("/v1/billing/plans"))["plans"]
    capabilities = (await buyer.read("/v1/capabilities")).json()

    assert [plan["purchasable"] for plan in plans] == [False, True, True, True]
    assert capabilities["plans"]["purchasable"] is True
    errors = {row["code"]: row["recommended_action"] for row in capabilities["errors"]}
    assert (errors["quota_exceeded"], errors["plan_expired"]) == ("upgrade_plan", "renew_plan")


async def test_nothing_is_for_sale_where_the_catalogue_has_no_price(
    database: Database, pretend: PretendPayPal
) -> None:
    own = msgspec.structs.replace(OPTIONS, catalogue=SELF_HOSTED)
    async with selling(database, pretend, own) as buyer:
        plans = ok(await buyer.read("/v1/billing/plans"))["plans"]
        answer = refused(await buyer.start("pro"), 400, "invalid_request")

    assert [plan["purchasable"] for plan in plans] == [False]
    assert advice(answer) == ["fix_request", "check_billing_status"]


@pytest.mark.parametrize("plan_id", ["free", "gold", "", "PRO"])
async def test_what_is_not_for_sale_is_a_bad_request(plan_id: str, buyer: Buyer) -> None:
    answer = refused(await buyer.start(plan_id), 400, "invalid_request")

    assert advice(answer) == ["fix_request", "check_billing_status"]
    assert buyer.pretend.count("create") == 0


# --- one checkout at a time


async def test_a_pending_checkout_is_named_to_who_starts_another(buyer: Buyer) -> None:
    purchase = await buyer.opened("pro")

    answer = refused(await buyer.start("agency"), 400, "invalid_request")

    assert advice(answer) == ["verify_payment", "check_billing_status"]
    names = ("purchaseId", "planId", "checkoutUrl", "checkoutExpiresAt")
    assert {name: answer[name] for name in names} == {name: purchase[name] for name in names}
    assert answer["agent_contract"]["retryable"] is False
    assert buyer.pretend.count("create") == 1


async def test_each_account_has_a_checkout_of_its_own(buyer: Buyer) -> None:
    other = await buyer.another()

    first, second = await buyer.approved(), await other.approved()

    assert ok(await buyer.verify(first["purchaseId"]))["outcome"] == "activated"
    assert ok(await other.verify(second["purchaseId"]))["outcome"] == "activated"


async def test_a_checkout_that_ran_out_keeps_nobody_from_another(buyer: Buyer) -> None:
    first = await buyer.opened()
    buyer.service.clock.advance(3 * HOURS)

    second = await buyer.opened("basic")

    assert second["purchaseId"] != first["purchaseId"]


async def test_only_the_newest_is_ever_taken(buyer: Buyer) -> None:
    first = await buyer.opened()
    buyer.service.clock.advance(3 * HOURS)
    second = await buyer.opened("basic")
    # The human has both pages open, and approves both.
    buyer.pretend.change(first["orderId"], "approve")
    buyer.pretend.change(second["orderId"], "approve")

    answer = refused(await buyer.verify(first["purchaseId"]), 410, "payment_failed")
    assert ok(await buyer.verify(second["purchaseId"]))["outcome"] == "activated"

    assert advice(answer) == ["retry_checkout", "check_billing_status"]
    assert (buyer.captured(first), buyer.captured(second)) == (0, 1)
    assert await buyer.plan() == "basic"


# --- nobody else's


async def test_another_accounts_purchase_is_as_unknown_as_none(buyer: Buyer) -> None:
    purchase = await buyer.approved()
    other = await buyer.another()

    asked = [await other.verify(purchase["purchaseId"]), await other.verify(UNKNOWN)]

    bodies = [refused(one, 404, "invalid_request") for one in asked]
    for body in bodies:
        assert advice(body) == ["fix_request", "check_billing_status"]
        del body["request_id"]
    assert bodies[0] == bodies[1]
    assert buyer.captured(purchase) == 0
    assert await other.plan() == "free"


@pytest.mark.parametrize("purchase_id", FORGED)
async def test_what_is_no_purchase_is_unknown(purchase_id: str, buyer: Buyer) -> None:
    refused(await buyer.verify(purchase_id), 404, "invalid_request")


# --- not paid, or not yet


async def test_nobody_approved_yet(buyer: Buyer) -> None:
    purchase = await buyer.opened()

    response = await buyer.verify(purchase["purchaseId"])

    answer = refused(response, 402, "payment_failed")
    assert answer["agent_contract"]["retryable"] is True
    assert advice(answer) == ["retry_after_wait", "verify_payment"]
    wait = recommended(answer)
    assert (wait["method"], wait["endpoint"]) == ("POST", "/v1/billing/verify")
    assert wait["retry_after_seconds"] == 30
    assert "retry-after" not in response.headers


async def test_money_that_is_on_its_way_is_waited_for(buyer: Buyer) -> None:
    purchase = await buyer.approved()
    buyer.pretend.behave("capture", "pending")

    answer = refused(await buyer.verify(purchase["purchaseId"]), 402, "payment_failed")
    assert answer["agent_contract"]["retryable"] is True
    assert advice(answer) == ["retry_after_wait", "verify_payment"]
    assert recommended(answer)["retry_after_seconds"] == 60
    assert await buyer.plan() == "free"

    buyer.pretend.change(purchase["orderId"], "settle")
    assert ok(await buyer.verify(purchase["purchaseId"]))["outcome"] == "activated"
    assert buyer.captured(purchase) == 1


async def test_a_checkout_that_ran_out_is_gone(buyer: Buyer) -> None:
    purchase = await buyer.opened()
    buyer.service.clock.advance(3 * HOURS)

    for _ in range(2):
        answer = refused(await buyer.verify(purchase["purchaseId"]), 410, "payment_failed")
        assert answer["agent_contract"]["retryable"] is False
        assert advice(answer) == ["retry_checkout", "check_billing_status"]
    assert await buyer.opened()


async def test_who_approved_late_gets_what_they_pay_for(buyer: Buyer) -> None:
    purchase = await buyer.opened()
    buyer.service.clock.advance(3 * HOURS)
    refused(await buyer.verify(purchase["purchaseId"]), 410, "payment_failed")

    buyer.pretend.change(purchase["orderId"], "approve")

    assert ok(await buyer.verify(purchase["purchaseId"]))["outcome"] == "activated"
    assert buyer.captured(purchase) == 1


async def test_what_was_approved_and_forgotten_is_settled_by_the_job(buyer: Buyer) -> None:
    purchase = await buyer.approved()
    # PayPal forgets an order three hours after its approval.
    buyer.pass_time(3 * HOURS - 300)

    await buyer.service.run_job("finish_checkouts")

    assert await buyer.plan() == "pro"
    assert ok(await buyer.verify(purchase["purchaseId"]))["outcome"] == "already_confirmed"


async def test_the_advice_leads_to_the_plan(buyer: Buyer) -> None:
    """Follow recommended actions alone, with a human who approves when asked to."""
    answer = refused(await _used_up(buyer), 402, "quota_exceeded")
    bodies: Mapping[str, Json] = {"/v1/billing/checkout": {"planId": "pro"}}

    trail, order_id = [], ""
    for _ in range(8):
        action = recommended(answer)
        trail.append(action["action"])
        buyer.service.clock.advance(action.get("retry_after_seconds", 0))
        sent = bodies.get(action["endpoint"])
        answer = (await buyer.send(action["method"], action["endpoint"], sent)).json()
        if "purchaseId" in answer:
            bodies = {**bodies, "/v1/billing/verify": {"purchaseId": answer["purchaseId"]}}
        order_id = answer.get("orderId", order_id)
        if answer.get("error") == "payment_failed":
            buyer.pretend.change(order_id, "approve")
        if answer.get("plan", {}).get("id") == "pro":
            break

    assert trail == [
        "upgrade_plan",
        "verify_payment",
        "retry_after_wait",
        "check_billing_status",
    ]
    assert next_actions(answer)[0]["action"] == "create_task"


async def _used_up(buyer: Buyer) -> Response:
    set_tasks_in_cycle(buyer.service.database, buyer, 200)
    return await buyer.create()


# --- answers as kept, and noted


async def test_the_answers_are_as_kept(buyer: Buyer) -> None:
    check_golden("plans_purchasable", await buyer.read("/v1/billing/plans"))
    started = await buyer.start("pro")
    check_golden("checkout", started)
    check_golden("checkout_pending", await buyer.start("pro"))
    purchase = ok(started, 201)
    check_golden("verify_not_approved", await buyer.verify(purchase["purchaseId"]))
    buyer.pretend.change(purchase["orderId"], "approve")
    check_golden("verify_activated", await buyer.verify(purchase["purchaseId"]))
    check_golden("verify_again", await buyer.verify(purchase["purchaseId"]))


async def test_the_refusals_are_as_kept(buyer: Buyer) -> None:
    purchase = await buyer.approved()
    buyer.pretend.behave("order", "status")
    check_golden("verify_no_paypal", await buyer.verify(purchase["purchaseId"]))
    buyer.pretend.behave("capture", "issue")
    check_golden("verify_declined", await buyer.verify(purchase["purchaseId"]))
    late = await buyer.opened()
    buyer.service.clock.advance(3 * HOURS + 1)
    check_golden("verify_ran_out", await buyer.verify(late["purchaseId"]))


async def test_buying_is_noted_under_its_names(buyer: Buyer) -> None:
    await buyer.bought()

    noted = [
        (one.operation, one.status, one.account_id) for one in buyer.service.observer.requests[-2:]
    ]
    account_id = buyer.account.id
    assert noted == [("start_checkout", 201, account_id), ("verify_payment", 200, account_id)]


# --- the order of checks


async def test_a_bad_body_comes_before_everything_of_payments(buyer: Buyer) -> None:
    refused(await buyer.send("POST", "/v1/billing/checkout", {}), 400, "invalid_request")
    refused(await buyer.send("POST", "/v1/billing/checkout", {"planId": 3}), 400, "invalid_request")
    refused(await buyer.send("POST", "/v1/billing/verify", {}), 400, "invalid_request")

    assert buyer.pretend.look("calls")["calls"] == []


async def test_a_bad_plan_comes_before_a_pending_checkout(buyer: Buyer) -> None:
    await buyer.opened()

    answer = refused(await buyer.start("gold"), 400, "invalid_request")

    assert advice(answer)[0] == "fix_request"


async def test_without_payments_an_unknown_purchase_is_unknown_and_a_known_one_must_wait(
    database: Database, pretend: PretendPayPal
) -> None:
    async with selling(database, pretend) as buyer:
        purchase = await buyer.approved()

    async with running(database, OPTIONS) as closed:
        caller = Buyer(Caller(closed, buyer.account), pretend)
        refused(await caller.verify(UNKNOWN), 404, "invalid_request")
        answer = refused(await caller.verify(purchase["purchaseId"]), 503, "server_error")
        assert advice(answer) == ["check_billing_status"]
        plans = ok(await caller.read("/v1/billing/plans"))["plans"]
        assert not any(plan["purchasable"] for plan in plans)
