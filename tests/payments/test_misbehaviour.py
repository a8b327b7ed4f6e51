"""Every way PayPal can go wrong comes to a documented answer, or to PaymentsUnavailable."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest

from orchestrion.core.faults import PaymentsUnavailable
from orchestrion.core.payment import (
    AlreadyCaptured,
    CaptureAnswer,
    Captured,
    CaptureStatus,
    Declined,
    InProgress,
    NewOrder,
    NotApproved,
)
from orchestrion.payments.calls import CallLimits
from orchestrion.payments.paypal import PayPal
from tests.payments.conftest import Client, Clients
from tests.pretend_paypal import PretendPayPal

# Long enough for a slow machine to get as far as the call that is held.
QUICK = CallLimits(read_seconds=0.7)
SOON = CallLimits(total_seconds=0.7)
A_TOKENS_LIFE = 40_000

Verb = Callable[[PayPal, NewOrder, str], Awaitable[object]]


async def create(paypal: PayPal, new_order: NewOrder, _order_id: str) -> object:
    return await paypal.create_order(new_order)


async def read(paypal: PayPal, _new_order: NewOrder, order_id: str) -> object:
    return await paypal.order(order_id)


async def capture(paypal: PayPal, _new_order: NewOrder, order_id: str) -> object:
    return await paypal.capture(order_id, f"{order_id}-1")


VERBS: dict[str, Verb] = {"create": create, "order": read, "capture": capture, "token": read}
# What may go wrong with any call, and what the log is told of it.
BROKEN = {
    "status": (503, "failed"),
    "status_after": (503, "failed"),
    "unauthorized_twice": (401, ""),
    "redirect": (307, "redirect"),
    "redirect_after": (307, "redirect"),
    "cut": (0, "lost"),
    "malformed": (None, ""),
    "empty": (None, ""),
    "huge": (None, "too_long"),
    "packed": (None, "encoded"),
}
POINTS_BROKEN = [(point, what) for what in BROKEN for point in VERBS]
UNDECIDED = [400, 403, 404, 409, 429, 500, 502, 503]
# How PayPal says that an order is gone.
DECIDED = {("order", 404)}


async def approved(paypal: PayPal, pretend: PretendPayPal, new_order: NewOrder) -> str:
    order_id = (await paypal.create_order(new_order)).order_id
    pretend.change(order_id, "approve")
    return order_id


@pytest.mark.parametrize(("point", "what"), POINTS_BROKEN)
async def test_a_broken_answer_is_a_fault(
    client: Client, pretend: PretendPayPal, new_order: NewOrder, point: str, what: str
) -> None:
    order_id = await approved(client.paypal, pretend, new_order)
    client.clock.advance(A_TOKENS_LIFE)
    if what == "unauthorized_twice":
        pretend.behave(point, "unauthorized", times=2)
    else:
        pretend.behave(point, what)

    with pytest.raises(PaymentsUnavailable) as raised:
        await VERBS[point](client.paypal, new_order, order_id)

    record = client.records[-1]
    status, issue = BROKEN[what]
    assert (record.call, record.issue) == (point, issue)
    assert status is None or record.status == status
    assert "debug_id" in str(raised.value)


@pytest.mark.parametrize("point", ["order", "capture"])
async def test_an_answer_about_another_order_is_a_fault(
    paypal: PayPal, pretend: PretendPayPal, new_order: NewOrder, point: str
) -> None:
    order_id = await approved(paypal, pretend, new_order)
    pretend.behave(point, "wrong_order")

    with pytest.raises(PaymentsUnavailable, match="another order"):
        await VERBS[point](paypal, new_order, order_id)


@pytest.mark.parametrize(
    ("point", "what", "limits"),
    [
        ("token", "hold", QUICK),
        ("create", "hold", QUICK),
        ("order", "hold_before", QUICK),
        ("capture", "hold", QUICK),
        ("capture", "hold_before", QUICK),
        ("capture", "slow", SOON),
    ],
)
async def test_an_answer_that_takes_too_long_is_a_fault(
    clients: Clients,
    pretend: PretendPayPal,
    new_order: NewOrder,
    *,
    point: str,
    what: str,
    limits: CallLimits,
) -> None:
    order_id = await approved(clients.client().paypal, pretend, new_order)
    client = clients.client(limits)
    pretend.behave(point, what)

    with pytest.raises(PaymentsUnavailable, match="timeout"):
        await VERBS[point](client.paypal, new_order, order_id)

    assert (client.records[-1].call, client.records[-1].issue) == (point, "timeout")


@pytest.mark.parametrize("point", VERBS)
async def test_a_status_that_decides_nothing_is_a_fault(
    client: Client, pretend: PretendPayPal, new_order: NewOrder, point: str
) -> None:
    order_id = await approved(client.paypal, pretend, new_order)

    for status in UNDECIDED:
        if (point, status) in DECIDED:
            continue
        client.clock.advance(A_TOKENS_LIFE)
        pretend.behave(point, "status", status=status)
        with pytest.raises(PaymentsUnavailable, match=str(status)):
            await VERBS[point](client.paypal, new_order, order_id)
        assert (client.records[-1].call, client.records[-1].status) == (point, status)


@pytest.mark.parametrize("what", ["hold", "cut", "status_after", "malformed", "huge", "slow"])
async def test_a_capture_whose_answer_is_lost_is_found_done_with_the_same_request(
    clients: Clients, pretend: PretendPayPal, new_order: NewOrder, what: str
) -> None:
    paypal, hasty = clients.client().paypal, clients.client(SOON).paypal
    order_id = await approved(paypal, pretend, new_order)
    pretend.behave("capture", what)

    with pytest.raises(PaymentsUnavailable):
        await hasty.capture(order_id, f"{order_id}-1")
    again = await paypal.capture(order_id, f"{order_id}-1")

    assert isinstance(again, Captured)
    assert await paypal.order(order_id) == again.order
    assert pretend.captures()[new_order.purchase_id] == 1


async def test_a_create_whose_answer_is_lost_finds_its_order_with_the_same_request(
    paypal: PayPal, pretend: PretendPayPal, new_order: NewOrder
) -> None:
    pretend.behave("create", "cut")

    with pytest.raises(PaymentsUnavailable):
        await paypal.create_order(new_order)
    await paypal.create_order(new_order)

    assert pretend.look("calls")["calls"][-1]["repeated"]


@pytest.mark.parametrize(
    ("issue", "answer"),
    [
        ("ORDER_NOT_APPROVED", NotApproved()),
        ("PAYER_ACTION_REQUIRED", NotApproved()),
        ("ORDER_ALREADY_CAPTURED", AlreadyCaptured()),
        ("DUPLICATE_INVOICE_ID", AlreadyCaptured()),
        ("ORDER_COMPLETION_IN_PROGRESS", InProgress()),
        ("PREVIOUS_REQUEST_IN_PROGRESS", InProgress()),
        ("INSTRUMENT_DECLINED", Declined()),
        ("PAYER_CANNOT_PAY", Declined()),
        ("TRANSACTION_REFUSED", Declined()),
        ("PAYEE_BLOCKED_TRANSACTION", Declined()),
        ("SOMETHING_NEW", Declined()),
    ],
)
async def test_a_refused_capture_is_told_by_its_issue(
    client: Client,
    pretend: PretendPayPal,
    new_order: NewOrder,
    issue: str,
    answer: CaptureAnswer,
) -> None:
    order_id = await approved(client.paypal, pretend, new_order)
    pretend.behave("capture", "issue", issue=issue)

    assert await client.paypal.capture(order_id, f"{order_id}-1") == answer

    assert client.records[-1].issue == issue
    assert pretend.captures()[new_order.purchase_id] == 0


async def test_a_declined_capture_stays_declined_under_its_request_and_not_under_another(
    paypal: PayPal, pretend: PretendPayPal, new_order: NewOrder
) -> None:
    order_id = await approved(paypal, pretend, new_order)
    pretend.behave("capture", "issue", issue="INSTRUMENT_DECLINED")

    answers = [await paypal.capture(order_id, f"{order_id}-{n}") for n in (1, 1, 2)]

    assert answers[:2] == [Declined(), Declined()]
    assert isinstance(answers[2], Captured)


async def test_a_refused_creation_is_a_fault(
    client: Client, pretend: PretendPayPal, new_order: NewOrder
) -> None:
    pretend.behave("create", "issue", issue="PAYEE_ACCOUNT_RESTRICTED")

    with pytest.raises(PaymentsUnavailable, match="422"):
        await client.paypal.create_order(new_order)

    assert client.records[-1].issue == "PAYEE_ACCOUNT_RESTRICTED"


@pytest.mark.parametrize(
    ("what", "amount", "currency", "own"),
    [
        ("wrong_amount", "0.01", "USD", True),
        ("wrong_currency", "24.99", "JPY", True),
        ("wrong_custom_id", "24.99", "USD", False),
    ],
)
async def test_money_that_is_not_what_was_asked_is_shown_as_it_is(
    paypal: PayPal,
    pretend: PretendPayPal,
    new_order: NewOrder,
    *,
    what: str,
    amount: str,
    currency: str,
    own: bool,
) -> None:
    order_id = await approved(paypal, pretend, new_order)
    pretend.behave("capture", what)

    captured = await paypal.capture(order_id, f"{order_id}-1")

    assert isinstance(captured, Captured)
    (money,) = captured.order.captures
    assert (money.amount, money.currency) == (Decimal(amount), currency)
    assert (money.custom_id == new_order.purchase_id) is own


async def test_pending_money_is_pending_until_it_has_arrived(
    paypal: PayPal, pretend: PretendPayPal, new_order: NewOrder
) -> None:
    order_id = await approved(paypal, pretend, new_order)
    pretend.behave("capture", "pending")

    captured = await paypal.capture(order_id, f"{order_id}-1")
    pretend.change(order_id, "settle")
    settled = await paypal.order(order_id)

    assert isinstance(captured, Captured)
    assert settled is not None
    statuses = [order.captures[0].status for order in (captured.order, settled)]
    assert statuses == [CaptureStatus.PENDING, CaptureStatus.COMPLETED]


async def test_a_declined_capture_in_a_good_answer_is_no_money(
    paypal: PayPal, pretend: PretendPayPal, new_order: NewOrder
) -> None:
    order_id = await approved(paypal, pretend, new_order)
    pretend.behave("capture", "capture_declined")

    captured = await paypal.capture(order_id, f"{order_id}-1")

    assert isinstance(captured, Captured)
    assert captured.order.captures[0].status is CaptureStatus.UNKNOWN
    assert pretend.captures()[new_order.purchase_id] == 0


async def test_an_answer_about_an_earlier_order_is_a_fault(
    paypal: PayPal, pretend: PretendPayPal, new_order: NewOrder, clients: Clients
) -> None:
    first = await approved(paypal, pretend, new_order)
    await paypal.capture(first, f"{first}-1")
    pretend.behave("create", "forget")
    second = await approved(clients.client().paypal, pretend, new_order)
    pretend.behave("capture", "repeat")

    with pytest.raises(PaymentsUnavailable, match="another order"):
        await paypal.capture(second, f"{second}-1")


@pytest.mark.parametrize(
    "link",
    [
        "https://elsewhere.example/checkoutnow?token=1",
        "https://paypal.com.elsewhere.example/",
        "https://www.paypal.com/checkoutnow?token=1",
        "javascript:alert(1)",
        "//elsewhere.example/",
        "",
    ],
)
async def test_a_link_elsewhere_is_never_passed_on(
    paypal: PayPal, pretend: PretendPayPal, new_order: NewOrder, link: str
) -> None:
    """Not even PayPal's own, when the PayPal that is called is a pretended one."""
    pretend.behave("create", "foreign_link", location=link)

    with pytest.raises(PaymentsUnavailable, match="no link"):
        await paypal.create_order(new_order)


async def test_an_order_without_a_link_is_a_fault(
    paypal: PayPal, pretend: PretendPayPal, new_order: NewOrder
) -> None:
    pretend.behave("create", "no_link")

    with pytest.raises(PaymentsUnavailable, match="no link"):
        await paypal.create_order(new_order)


@pytest.mark.parametrize("what", ["redirect", "redirect_after"])
async def test_a_redirect_is_not_followed(
    paypal: PayPal, pretend: PretendPayPal, new_order: NewOrder, what: str
) -> None:
    order_id = await approved(paypal, pretend, new_order)
    trap = f"{pretend.url}/v2/checkout/orders/{order_id}"
    pretend.behave("order", what, location=trap)

    with pytest.raises(PaymentsUnavailable):
        await paypal.order(order_id)

    assert pretend.count("order") == 1


async def test_an_answer_that_is_held_arrives_when_it_is_released(
    paypal: PayPal, pretend: PretendPayPal, new_order: NewOrder
) -> None:
    order_id = await approved(paypal, pretend, new_order)
    pretend.behave("capture", "hold")

    capturing = asyncio.create_task(paypal.capture(order_id, f"{order_id}-1"))
    await asyncio.to_thread(pretend.wait_until_held, "capture")
    before = pretend.captures()[new_order.purchase_id]
    pretend.release("capture")

    assert before == 1
    assert isinstance(await capturing, Captured)
