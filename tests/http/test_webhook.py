"""PayPal's own events settle a payment sooner; nothing depends on them, nobody can forge them."""

import asyncio

import pytest
from msgspec.structs import replace

from orchestrion.core.limits import EVENTS_PER_MINUTE, PAYMENTS_WAIT_SECONDS
from orchestrion.core.plans import HOSTED
from orchestrion.payments.calls import CallLimits
from tests.databases import Database
from tests.harness import Harness
from tests.http.callers import Json, Response, limit_left, ok, recommended, refused
from tests.http.market import OPTIONS, Buyer, selling
from tests.pretend_paypal import PretendPayPal

APPROVED = "CHECKOUT.ORDER.APPROVED"
CAPTURED = "PAYMENT.CAPTURE.COMPLETED"


async def tell(buyer: Buyer, headers: dict[bytes, bytes], body: bytes) -> Response:
    sent = {name.decode(): value.decode() for name, value in headers.items()}
    sent.setdefault("content-type", "application/json")
    return await buyer.client.post("/billing/paypal", content=body, headers=sent)


async def told(buyer: Buyer, purchase: Json, event_type: str) -> Response:
    return await tell(buyer, *buyer.pretend.event(purchase["orderId"], event_type))


async def test_an_approval_is_settled_before_the_agent_asks(buyer: Buyer) -> None:
    purchase = await buyer.approved()

    answer = await told(buyer, purchase, APPROVED)

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert await buyer.plan() == "pro"
    assert ok(await buyer.verify(purchase["purchaseId"]))["outcome"] == "already_confirmed"
    assert buyer.captured(purchase) == 1


async def test_an_event_that_comes_twice_or_late_changes_nothing(buyer: Buyer) -> None:
    purchase = await buyer.approved()
    ok(await buyer.verify(purchase["purchaseId"]))
    before = await buyer.status()

    for event_type in (APPROVED, CAPTURED, CAPTURED):
        assert (await told(buyer, purchase, event_type)).status_code == 200

    assert (await buyer.status())["planExpiresAt"] == before["planExpiresAt"]
    assert buyer.captured(purchase) == 1


async def test_a_capture_whose_answer_was_lost_is_settled_by_its_event(buyer: Buyer) -> None:
    purchase = await buyer.approved()
    buyer.pretend.behave("capture", "hold")
    refused(await buyer.verify(purchase["purchaseId"]), 503, "server_error")
    buyer.pretend.release("capture")

    assert (await told(buyer, purchase, CAPTURED)).status_code == 200

    assert await buyer.plan() == "pro"


async def test_an_event_after_a_payment_was_declined_takes_nothing(buyer: Buyer) -> None:
    """Its account was told to start another checkout, and may have done so."""
    purchase = await buyer.approved()
    buyer.pretend.behave("capture", "issue")
    refused(await buyer.verify(purchase["purchaseId"]), 402, "payment_failed")

    assert (await told(buyer, purchase, APPROVED)).status_code == 200

    assert await buyer.plan() == "free"
    assert buyer.captured(purchase) == 0
    ok(await buyer.start(), 201)


async def test_an_event_that_lies_about_an_approval_changes_nothing(buyer: Buyer) -> None:
    """The event says which order to look at, and nothing more."""
    purchase = await buyer.opened()

    assert (await told(buyer, purchase, APPROVED)).status_code == 200

    assert await buyer.plan() == "free"
    refused(await buyer.verify(purchase["purchaseId"]), 402, "payment_failed")


async def test_an_event_of_another_program_is_taken_and_left_alone(
    buyer: Buyer, database: Database
) -> None:
    purchase = await buyer.approved()
    database.execute("delete from purchases")

    assert (await told(buyer, purchase, APPROVED)).status_code == 200

    assert buyer.captured(purchase) == 0


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b""),
        ({}, b"{}"),
        ({}, b'{"event_type":"CHECKOUT.ORDER.APPROVED","resource":{"id":"X"}}'),
        ({b"paypal-transmission-id": b"1"}, b"{}"),
    ],
)
async def test_what_paypal_did_not_send_is_refused_without_asking(
    headers: dict[bytes, bytes], body: bytes, buyer: Buyer
) -> None:
    answer = refused(await tell(buyer, headers, body), 400, "invalid_request")

    assert recommended(answer)["action"] == "fix_request"
    assert buyer.pretend.count("verify") == 0


async def test_a_forged_event_is_refused(buyer: Buyer) -> None:
    purchase = await buyer.approved()
    headers, body = buyer.pretend.event(purchase["orderId"], APPROVED)

    forged = {**headers, b"paypal-transmission-sig": b"forged"}
    refused(await tell(buyer, forged, body), 400, "invalid_request")
    refused(
        await tell(buyer, headers, body.replace(b"APPROVED", b"COMPLETE")), 400, "invalid_request"
    )

    assert await buyer.plan() == "free"


async def test_paypal_is_asked_to_send_again_what_could_not_be_verified(buyer: Buyer) -> None:
    purchase = await buyer.approved()
    buyer.pretend.behave("verify", "status")

    refused(await told(buyer, purchase, APPROVED), 503, "server_error")

    assert (await told(buyer, purchase, APPROVED)).status_code == 200
    assert await buyer.plan() == "pro"


async def test_paypal_is_asked_to_send_again_what_could_not_be_settled(buyer: Buyer) -> None:
    purchase = await buyer.approved()
    buyer.pretend.behave("capture", "cut")

    refused(await told(buyer, purchase, APPROVED), 503, "server_error")

    assert (await told(buyer, purchase, APPROVED)).status_code == 200
    assert await buyer.plan() == "pro"
    assert buyer.captured(purchase) == 1


async def test_an_event_is_json_of_a_bounded_size(buyer: Buyer) -> None:
    other = await tell(buyer, {b"content-type": b"text/xml"}, b"<event/>")
    large = await tell(buyer, {}, b" " * 600_000)

    refused(other, 415, "invalid_request")
    refused(large, 413, "invalid_request")


async def limited_alone(buyer: Buyer) -> None:
    """All events that an address may send, one more, and then another request of it."""
    for _ in range(EVENTS_PER_MINUTE):
        response = await tell(buyer, {}, b"{}")
        refused(response, 400, "invalid_request")
    assert limit_left(response) == ("events", 0, 60)

    refused(await tell(buyer, {}, b"{}"), 429, "rate_limited")
    ok(await buyer.client.get("/v1/capabilities"))
    buyer.service.clock.advance(60)
    refused(await tell(buyer, {}, b"{}"), 400, "invalid_request")


async def test_events_of_an_address_have_a_window_of_their_own(buyer: Buyer) -> None:
    await limited_alone(buyer)


async def test_events_are_limited_where_nothing_else_is(
    database: Database, pretend: PretendPayPal
) -> None:
    unlimited = replace(OPTIONS, catalogue=replace(HOSTED, limits=None))
    async with selling(database, pretend, unlimited) as buyer:
        await limited_alone(buyer)


async def test_too_many_events_at_a_time_are_no_fault(
    database: Database, pretend: PretendPayPal
) -> None:
    async with selling(database, pretend, limits=CallLimits(events_max=1)) as buyer:
        purchase = await buyer.approved()
        event = pretend.event(purchase["orderId"], APPROVED)
        pretend.behave("verify", "hold_before")
        held = asyncio.create_task(tell(buyer, *event))
        await asyncio.to_thread(pretend.wait_until_held, "verify")

        response = await tell(buyer, *event)
        pretend.release("verify")

        refused(response, 503, "server_error")
        assert response.headers["retry-after"] == str(PAYMENTS_WAIT_SECONDS)
        assert (await held).status_code == 200
        assert buyer.service.observer.faults == []


async def test_without_payments_no_events_are_taken(service: Harness) -> None:
    refused(await service.client.post("/billing/paypal", json={}), 404, "invalid_request")


async def test_without_a_webhook_no_events_are_taken(
    database: Database, pretend: PretendPayPal
) -> None:
    async with selling(database, pretend, replace(OPTIONS, payment_events=False)) as buyer:
        purchase = await buyer.approved()
        answer = refused(await told(buyer, purchase, APPROVED), 404, "invalid_request")

        assert recommended(answer)["endpoint"] == "/v1/capabilities"
        assert await buyer.plan() == "free"
