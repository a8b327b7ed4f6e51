"""The client and a PayPal that behaves."""

from decimal import Decimal

import msgspec
import pytest

from orchestrion.core.faults import PaymentsUnavailable
from orchestrion.core.payment import (
    AlreadyCaptured,
    Capture,
    Captured,
    CaptureStatus,
    Declined,
    NewOrder,
    NotApproved,
    Order,
    OrderStatus,
)
from orchestrion.engine.ports import Payments
from orchestrion.payments.paypal import PayPal
from tests.payments.conftest import Client
from tests.pretend_paypal import PretendPayPal


def as_the_engine_sees_it(paypal: PayPal) -> Payments:
    """Type checkers see that it fits."""
    return paypal


async def test_an_order_is_opened_with_a_link_for_a_human(
    pretend: PretendPayPal, paypal: PayPal, new_order: NewOrder
) -> None:
    opened = await paypal.create_order(new_order)

    assert opened.checkout_url == f"{pretend.url}/checkoutnow?token={opened.order_id}"
    assert pretend.page(opened.checkout_url).status_code == 200


async def test_an_order_says_what_is_paid_and_where_the_human_goes(
    pretend: PretendPayPal, paypal: PayPal, new_order: NewOrder
) -> None:
    opened = await paypal.create_order(new_order)

    (shown,) = (one for one in pretend.look("orders")["orders"] if one["id"] == opened.order_id)
    (unit,) = shown["purchase_units"]
    assert shown["intent"] == "CAPTURE"
    assert unit["amount"] == {"currency_code": "USD", "value": "24.99"}
    names = {unit[name] for name in ("reference_id", "custom_id", "invoice_id")}
    assert names == {new_order.purchase_id}


async def test_the_same_purchase_opens_one_order(
    pretend: PretendPayPal, paypal: PayPal, new_order: NewOrder
) -> None:
    first = await paypal.create_order(new_order)

    assert await paypal.create_order(new_order) == first
    assert [call["status"] for call in pretend.look("calls")["calls"][-2:]] == [201, 200]


async def test_a_link_of_the_older_kind_is_taken_as_well(
    pretend: PretendPayPal, paypal: PayPal, new_order: NewOrder
) -> None:
    pretend.behave("create", "approve_link")

    opened = await paypal.create_order(new_order)

    assert opened.checkout_url.endswith(f"/checkoutnow?token={opened.order_id}")


async def test_an_order_is_read_at_each_of_its_stages(
    pretend: PretendPayPal, paypal: PayPal, new_order: NewOrder
) -> None:
    order_id = (await paypal.create_order(new_order)).order_id

    stages = [await paypal.order(order_id)]
    pretend.change(order_id, "approve")
    stages.append(await paypal.order(order_id))
    pretend.change(order_id, "void")
    stages.append(await paypal.order(order_id))
    pretend.change(order_id, "expire")

    assert stages == [
        Order(id=order_id, status=OrderStatus.PAYER_ACTION_REQUIRED),
        Order(id=order_id, status=OrderStatus.APPROVED),
        Order(id=order_id, status=OrderStatus.VOIDED),
    ]
    assert await paypal.order(order_id) is None


async def test_an_order_that_was_never_there_is_none(paypal: PayPal) -> None:
    assert await paypal.order("5O190127TN364715T") is None


async def test_an_approved_order_is_captured(
    pretend: PretendPayPal, paypal: PayPal, new_order: NewOrder
) -> None:
    order_id = (await paypal.create_order(new_order)).order_id
    pretend.change(order_id, "approve")

    captured = await paypal.capture(order_id, "capture-1")

    assert isinstance(captured, Captured)
    assert captured.order == Order(
        id=order_id, status=OrderStatus.COMPLETED, captures=captured.order.captures
    )
    (capture,) = captured.order.captures
    assert capture == Capture(
        id=capture.id,
        status=CaptureStatus.COMPLETED,
        amount=Decimal("24.99"),
        currency="USD",
        custom_id=new_order.purchase_id,
    )
    assert await paypal.order(order_id) == captured.order


async def test_the_same_capture_twice_moves_money_once(
    pretend: PretendPayPal, paypal: PayPal, new_order: NewOrder
) -> None:
    order_id = (await paypal.create_order(new_order)).order_id
    pretend.change(order_id, "approve")

    answers = [await paypal.capture(order_id, f"{order_id}-1") for _ in range(2)]

    assert answers[0] == answers[1]
    assert pretend.captures()[new_order.purchase_id] == 1


async def test_another_capture_of_a_paid_order_is_told_that_it_is_paid(
    pretend: PretendPayPal, paypal: PayPal, new_order: NewOrder
) -> None:
    order_id = (await paypal.create_order(new_order)).order_id
    pretend.change(order_id, "approve")
    await paypal.capture(order_id, f"{order_id}-1")

    assert await paypal.capture(order_id, f"{order_id}-2") == AlreadyCaptured()
    assert pretend.captures()[new_order.purchase_id] == 1


async def test_a_second_order_of_a_paid_purchase_is_told_that_it_is_paid(
    pretend: PretendPayPal, paypal: PayPal, new_order: NewOrder
) -> None:
    pretend.behave("create", "forget")
    first = (await paypal.create_order(new_order)).order_id
    pretend.behave("create", "forget")
    second = (await paypal.create_order(new_order)).order_id
    for order_id in (first, second):
        pretend.change(order_id, "approve")
    await paypal.capture(first, f"{first}-1")

    assert first != second
    assert await paypal.capture(second, f"{second}-1") == AlreadyCaptured()
    assert pretend.captures()[new_order.purchase_id] == 1


async def test_an_order_nobody_approved_is_not_captured(
    paypal: PayPal, new_order: NewOrder
) -> None:
    order_id = (await paypal.create_order(new_order)).order_id

    assert await paypal.capture(order_id, f"{order_id}-1") == NotApproved()


async def test_an_order_that_was_voided_is_not_captured_and_of_one_that_is_gone_nobody_knows(
    pretend: PretendPayPal, paypal: PayPal, new_order: NewOrder
) -> None:
    order_id = (await paypal.create_order(new_order)).order_id

    pretend.change(order_id, "void")
    assert await paypal.capture(order_id, f"{order_id}-1") == Declined()

    pretend.change(order_id, "expire")
    with pytest.raises(PaymentsUnavailable, match="404"):
        await paypal.capture(order_id, f"{order_id}-2")


async def test_every_call_is_told_with_its_debug_id(client: Client, new_order: NewOrder) -> None:
    order_id = (await client.paypal.create_order(new_order)).order_id
    await client.paypal.capture(order_id, f"{order_id}-1")

    told = [(one.call, one.status, one.issue) for one in client.records]
    assert told == [("token", 200, ""), ("create", 201, ""), ("capture", 422, "ORDER_NOT_APPROVED")]
    assert all(len(one.debug_id) == 13 for one in client.records)


@pytest.mark.parametrize(
    ("amount", "text"),
    [("9.99", "9.99"), ("10", "10.00"), ("1E+2", "100.00"), ("0.10", "0.10"), ("59.990", "59.99")],
)
async def test_amounts_go_out_with_two_decimals(
    pretend: PretendPayPal, paypal: PayPal, new_order: NewOrder, amount: str, text: str
) -> None:
    opened = await paypal.create_order(msgspec.structs.replace(new_order, amount=Decimal(amount)))

    (shown,) = (one for one in pretend.look("orders")["orders"] if one["id"] == opened.order_id)
    assert shown["purchase_units"][0]["amount"]["value"] == text


@pytest.mark.parametrize("amount", ["0", "-1", "9.999"])
async def test_an_amount_nobody_can_pay_is_a_bug(
    pretend: PretendPayPal, paypal: PayPal, new_order: NewOrder, amount: str
) -> None:
    with pytest.raises(AssertionError):
        await paypal.create_order(msgspec.structs.replace(new_order, amount=Decimal(amount)))

    assert pretend.count("create") == 0


async def test_a_long_plan_name_is_cut(
    pretend: PretendPayPal, paypal: PayPal, new_order: NewOrder
) -> None:
    named = msgspec.structs.replace(new_order, plan_name="ä" * 500)

    opened = await paypal.create_order(named)

    (shown,) = (one for one in pretend.look("orders")["orders"] if one["id"] == opened.order_id)
    assert len(shown["purchase_units"][0]["description"]) == 127
