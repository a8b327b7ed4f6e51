"""Webhook events: only what PayPal vouches for counts, and only what may be PayPal's is asked."""

import asyncio
import json

import pytest
from msgspec.structs import replace

from orchestrion.core.faults import PaymentsUnavailable
from orchestrion.core.payment import NewOrder
from orchestrion.payments.calls import CallLimits
from orchestrion.payments.events import EVENT_BYTES_MAX
from orchestrion.payments.paypal import PayPal
from tests.payments.conftest import Client, Clients
from tests.payments.raw import Raw, raw_server
from tests.pretend_paypal import PretendPayPal

APPROVED = "CHECKOUT.ORDER.APPROVED"
CAPTURED = "PAYMENT.CAPTURE.COMPLETED"


@pytest.fixture
async def order_id(paypal: PayPal, pretend: PretendPayPal, new_order: NewOrder) -> str:
    order_id = (await paypal.create_order(new_order)).order_id
    pretend.change(order_id, "approve")
    await paypal.capture(order_id, f"{order_id}-1")
    return order_id


@pytest.mark.parametrize("kind", [APPROVED, CAPTURED])
async def test_an_event_of_paypals_names_its_order(
    paypal: PayPal, pretend: PretendPayPal, order_id: str, kind: str
) -> None:
    assert await paypal.event(*pretend.event(order_id, kind)) == order_id


@pytest.mark.parametrize("kind", [APPROVED, CAPTURED])
async def test_an_event_somebody_changed_is_none(
    paypal: PayPal, pretend: PretendPayPal, order_id: str, kind: str
) -> None:
    headers, body = pretend.event(order_id, kind)

    changed = body.replace(order_id.encode(), b"5O190127TN364715T")

    assert changed != body
    assert await paypal.event(headers, changed) is None
    assert pretend.count("verify") == 1


async def test_the_bytes_go_on_as_they_came(
    paypal: PayPal, pretend: PretendPayPal, order_id: str
) -> None:
    """The same event written another way is another event: the signature is over its bytes."""
    headers, body = pretend.event(order_id, APPROVED)

    assert await paypal.event(headers, json.dumps(json.loads(body), indent=1).encode()) is None
    assert await paypal.event(headers, body) == order_id


async def test_an_event_for_another_webhook_is_none(
    clients: Clients, pretend: PretendPayPal, order_id: str
) -> None:
    other = clients.of(replace(pretend.options, webhook_id="ANOTHER"))

    assert await other.paypal.event(*pretend.event(order_id, APPROVED)) is None


async def test_without_a_webhook_id_no_event_is_believed_or_asked_about(
    clients: Clients, pretend: PretendPayPal, order_id: str
) -> None:
    deaf = clients.of(replace(pretend.options, webhook_id=None))

    assert await deaf.paypal.event(*pretend.event(order_id, APPROVED)) is None
    assert pretend.count("verify") == 0


@pytest.mark.parametrize(
    ("header", "value"),
    [
        (b"paypal-transmission-sig", b""),
        (b"paypal-transmission-id", b"x" * 51),
        (b"paypal-transmission-time", b"x" * 101),
        (b"paypal-auth-algo", b"\xff"),
        (b"paypal-cert-url", b"https://elsewhere.example/cert"),
        (b"paypal-cert-url", b"http://127.0.0.1:1/cert"),
    ],
)
async def test_what_cannot_be_paypals_costs_no_call(
    paypal: PayPal, pretend: PretendPayPal, order_id: str, header: bytes, value: bytes
) -> None:
    headers, body = pretend.event(order_id, APPROVED)

    assert await paypal.event({**headers, header: value}, body) is None
    del headers[header]
    assert await paypal.event(headers, body) is None
    assert pretend.count("verify") == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"\xff",
        b"[" * 60_000,
        b'{"event_type": "PAYMENT.CAPTURE.DENIED", "resource": {"id": "1"}}',
        b'{"event_type": "CHECKOUT.ORDER.APPROVED"}',
        b'{"event_type": "CHECKOUT.ORDER.APPROVED", "resource": {"id": "../x"}}',
        b'{"event_type": "CHECKOUT.ORDER.APPROVED", "resource": {"id": "1"}} {}',
        b'{"event_type": "CHECKOUT.ORDER.APPROVED", "resource": {"id": "1"}}\xff',
        b'{"event_type": "CHECKOUT.ORDER.APPROVED", "x": "\xff", "resource": {"id": "1"}}',
        b'{"event_type": "PAYMENT.CAPTURE.COMPLETED", "resource": {"id": "1"}}',
        b'{"event_type": "CHECKOUT.ORDER.APPROVED", "resource": {"id": "1"}, "x": "%s"}'
        % (b"x" * EVENT_BYTES_MAX),
    ],
)
async def test_what_is_about_no_order_costs_no_call(
    paypal: PayPal, pretend: PretendPayPal, order_id: str, body: bytes
) -> None:
    headers, _ = pretend.event(order_id, APPROVED)

    assert await paypal.event(headers, body) is None
    assert pretend.count("verify") == 0


@pytest.mark.parametrize("what", ["status", "cut", "malformed", "empty", "redirect"])
async def test_a_verification_that_fails_is_a_fault(
    paypal: PayPal, pretend: PretendPayPal, order_id: str, what: str
) -> None:
    event = pretend.event(order_id, APPROVED)
    pretend.behave("verify", what)

    with pytest.raises(PaymentsUnavailable):
        await paypal.event(*event)

    assert await paypal.event(*event) == order_id


async def test_a_verification_that_says_neither_is_a_fault(
    clients: Clients, pretend: PretendPayPal, order_id: str
) -> None:
    headers, body = pretend.event(order_id, APPROVED)
    async with raw_server(Raw(200, b'{"verification_status": "PERHAPS"}')) as place:
        headers[b"paypal-cert-url"] = f"{place.url}/cert".encode()
        with pytest.raises(PaymentsUnavailable, match="malformed"):
            await clients.of(place.options).paypal.event(headers, body)


@pytest.mark.parametrize("status", [400, 422])
async def test_a_question_paypal_finds_wrong_is_an_event_of_somebody_elses(
    client: Client, pretend: PretendPayPal, order_id: str, status: int
) -> None:
    event = pretend.event(order_id, APPROVED)
    pretend.behave("verify", "status", status=status)

    assert await client.paypal.event(*event) is None


async def test_events_leave_connections_to_the_captures(
    clients: Clients, pretend: PretendPayPal, order_id: str
) -> None:
    client = clients.client(CallLimits(connections_max=3, events_max=2))
    event = pretend.event(order_id, APPROVED)
    pretend.behave("verify", "hold", times=2)
    held = [asyncio.create_task(client.paypal.event(*event)) for _ in range(2)]
    await asyncio.to_thread(pretend.wait_until_held, "verify", 2)

    with pytest.raises(PaymentsUnavailable, match="too many events"):
        await client.paypal.event(*event)
    assert await client.paypal.order(order_id) is not None
    pretend.release("verify")

    assert await asyncio.gather(*held) == [order_id] * 2
    assert await client.paypal.event(*event) == order_id
