"""PayPal misbehaves, or we die between two steps: a purchase is settled once, and never lost."""

import asyncio

import pytest
from msgspec.structs import replace

from orchestrion.core.errors import ErrorCode
from orchestrion.core.faults import PaymentsUnavailable
from orchestrion.core.instants import DAY
from orchestrion.core.outcomes import PurchaseOutcome, Rejection, Situation
from orchestrion.core.purchase import Stage
from orchestrion.engine.checkout import Checkout, WrongMoney
from tests.engine.shops import Shop, order_of
from tests.factories import ACCOUNT_ID, expect
from tests.pretend_paypal import PretendPayPal
from tests.unit.buying import confirms

# What happens at PayPal though we never hear of it.
AFTER = (
    "cut",
    "malformed",
    "empty",
    "huge",
    "packed",
    "status_after",
    "redirect_after",
    "hold",
    "slow",
)
# What does not.
INSTEAD = ("status", "redirect", "unauthorized")


async def bought_once(shop: Shop, purchase_id: str) -> None:
    """Nothing more is to be done, and the plan holds for as long as was paid."""
    account = await shop.account()
    assert (account.plan, account.plan_expires_at) == ("pro", shop.clock.now() + 30 * DAY)
    assert shop.pretend.captures()[purchase_id] == 1
    again = Checkout(replace(shop.till, payments=None))
    kept = await shop.engine.reader.newest_purchase(ACCOUNT_ID)
    assert kept is not None
    assert expect(PurchaseOutcome, await again.settle(kept)).activated is False


# --- the answer is lost or strange


@pytest.mark.parametrize("what", [*AFTER, "wrong_order", *INSTEAD])
async def test_a_capture_without_a_usable_answer_is_made_up_for_by_the_next_verify(
    what: str, hurried: Shop, pretend: PretendPayPal
) -> None:
    purchase = await hurried.approved()
    pretend.behave("capture", what, times=2 if what == "unauthorized" else 1)

    await hurried.unavailable(purchase)
    begun = await hurried.kept(purchase.id)
    pretend.release("capture")

    assert (begun.stage, begun.captures) == (Stage.OPEN, 1)
    assert begun.capture_begun_at == hurried.clock.now()
    assert await hurried.verified(purchase)
    await bought_once(hurried, purchase.id)


@pytest.mark.parametrize("what", [*AFTER, "wrong_order", *INSTEAD])
async def test_an_order_that_cannot_be_read_decides_nothing(
    what: str, hurried: Shop, pretend: PretendPayPal
) -> None:
    purchase = await hurried.approved()
    pretend.behave("order", what, times=2 if what == "unauthorized" else 1)

    await hurried.unavailable(purchase)
    untouched = await hurried.kept(purchase.id)
    pretend.release("order")

    assert untouched == purchase
    assert await hurried.verified(purchase)
    await bought_once(hurried, purchase.id)


async def test_while_the_outcome_is_unknown_nothing_else_is_sold(
    shop: Shop, pretend: PretendPayPal
) -> None:
    """However long that takes: the money may have been taken."""
    purchase = await shop.approved()
    pretend.behave("capture", "status_after")
    await shop.unavailable(purchase)
    shop.clock.advance(30 * 24 * 3_600)

    refused = expect(Rejection, await shop.checkout.start(ACCOUNT_ID, "basic"))

    assert refused.situation is Situation.CHECKOUT_PENDING
    assert await shop.verified(purchase)
    assert (await shop.opened("basic")).stage is Stage.OPEN


# --- refusals


@pytest.mark.parametrize(
    "issue", ["INSTRUMENT_DECLINED", "PAYER_CANNOT_PAY", "TRANSACTION_REFUSED", "NEVER_HEARD_OF"]
)
async def test_a_declined_payment_can_be_tried_again_under_another_name(
    issue: str, shop: Shop, pretend: PretendPayPal
) -> None:
    purchase = await shop.approved()
    pretend.behave("capture", "issue", issue=issue)

    declined = await shop.refused(purchase)
    failed = await shop.kept(purchase.id)

    assert (declined.code, declined.status) == (ErrorCode.PAYMENT_FAILED, 402)
    assert declined.situation is Situation.PAYMENT_DECLINED
    assert (failed.stage, failed.captures, failed.capture_begun_at) == (Stage.FAILED, 2, None)
    assert await shop.verified(purchase)
    await bought_once(shop, purchase.id)


async def test_after_a_declined_payment_another_checkout_begins(
    shop: Shop, pretend: PretendPayPal
) -> None:
    declined = await shop.approved()
    pretend.behave("capture", "issue")
    await shop.refused(declined)

    purchase = await shop.approved()

    assert await shop.verified(purchase)
    assert (await shop.refused(declined)).status == 410
    assert shop.captured(declined) == 0


@pytest.mark.parametrize("issue", ["ORDER_NOT_APPROVED", "PAYER_ACTION_REQUIRED"])
async def test_an_approval_that_is_not_there_yet_is_waited_for(
    issue: str, shop: Shop, pretend: PretendPayPal
) -> None:
    purchase = await shop.approved()
    pretend.behave("capture", "issue", issue=issue)

    refused = await shop.refused(purchase)
    undone = await shop.kept(purchase.id)

    assert (refused.situation, refused.wait_seconds) == (Situation.PAYMENT_PENDING, 30)
    assert (undone.stage, undone.captures, undone.capture_begun_at) == (Stage.OPEN, 2, None)
    assert await shop.verified(purchase)


async def test_an_approval_that_is_taken_back_after_the_end_ends_the_purchase(
    shop: Shop, pretend: PretendPayPal
) -> None:
    purchase = await shop.approved()
    pretend.behave("capture", "issue", issue="PAYER_ACTION_REQUIRED")
    shop.clock.advance(3 * 3_600)

    assert (await shop.refused(purchase)).status == 410
    assert (await shop.kept(purchase.id)).stage is Stage.EXPIRED


@pytest.mark.parametrize("issue", ["ORDER_ALREADY_CAPTURED", "DUPLICATE_INVOICE_ID"])
async def test_what_was_captured_already_is_looked_up(
    issue: str, shop: Shop, pretend: PretendPayPal
) -> None:
    """Between our look at the order and our capture another process captured it."""
    purchase = await shop.approved()
    pretend.behave("order", "hold")
    verifying = asyncio.create_task(shop.verify(purchase))
    await asyncio.to_thread(pretend.wait_until_held, "order")
    await shop.paypal.capture(order_of(purchase), purchase.capture_request)
    pretend.behave("capture", "issue", issue=issue)
    pretend.release("order")

    assert expect(PurchaseOutcome, await verifying).activated
    await bought_once(shop, purchase.id)


@pytest.mark.parametrize("issue", ["ORDER_ALREADY_CAPTURED", "DUPLICATE_INVOICE_ID"])
async def test_a_capture_that_nobody_can_find_settles_nothing_though_the_order_goes(
    issue: str, shop: Shop, pretend: PretendPayPal
) -> None:
    purchase = await shop.approved()
    pretend.behave("capture", "issue", issue=issue)

    await shop.unavailable(purchase)
    pretend.change(order_of(purchase), "expire")
    await shop.unavailable(purchase)

    assert (await shop.kept(purchase.id)).capture_begun_at is not None
    blocked = expect(Rejection, await shop.checkout.start(ACCOUNT_ID, "pro"))
    assert blocked.situation is Situation.CHECKOUT_PENDING


async def test_a_captured_order_that_is_gone_settles_nothing(
    shop: Shop, pretend: PretendPayPal
) -> None:
    purchase = await shop.approved()
    pretend.behave("capture", "issue", issue="ORDER_ALREADY_CAPTURED")

    async def gone() -> None:
        pretend.change(order_of(purchase), "expire")

    with pytest.raises(PaymentsUnavailable):
        await shop.overtaken_by(gone).settle(purchase)

    assert (await shop.kept(purchase.id)).capture_begun_at is not None


async def test_a_capture_under_way_asks_for_a_moment(shop: Shop, pretend: PretendPayPal) -> None:
    purchase = await shop.approved()
    pretend.behave("capture", "issue", issue="ORDER_COMPLETION_IN_PROGRESS")

    refused = await shop.refused(purchase)

    assert (refused.code, refused.status) == (ErrorCode.SERVER_ERROR, 503)
    assert refused.wait_seconds == 5
    assert await shop.verified(purchase)


async def test_a_capture_under_way_that_was_confirmed_meanwhile_is_confirmed(
    shop: Shop, pretend: PretendPayPal
) -> None:
    purchase = await shop.approved()
    pretend.behave("capture", "issue", issue="ORDER_COMPLETION_IN_PROGRESS")

    async def confirmed() -> None:
        assert await shop.verified(purchase)

    outcome = await shop.overtaken_by(confirmed).settle(purchase)

    assert expect(PurchaseOutcome, outcome).activated is False
    await bought_once(shop, purchase.id)


@pytest.mark.parametrize("issue", ["ORDER_NOT_APPROVED", "INSTRUMENT_DECLINED"])
async def test_a_refusal_that_comes_after_the_confirmation_changes_nothing(
    issue: str, shop: Shop, pretend: PretendPayPal
) -> None:
    purchase = await shop.approved()
    pretend.behave("capture", "issue", issue=issue)

    async def confirmed() -> None:
        outcome = await shop.engine.writer.submit(confirms(purchase.id))
        assert expect(PurchaseOutcome, outcome).activated

    outcome = await shop.overtaken_by(confirmed).settle(purchase)

    assert expect(PurchaseOutcome, outcome).purchase.stage is Stage.CONFIRMED


async def test_whoever_comes_late_to_the_capture_finds_it_confirmed(
    shop: Shop, pretend: PretendPayPal
) -> None:
    purchase = await shop.approved()
    pretend.behave("order", "hold")
    # Of another process: in one, who comes second joins the first.
    late = asyncio.create_task(Checkout(shop.till).verify(ACCOUNT_ID, purchase.id))
    await asyncio.to_thread(pretend.wait_until_held, "order")

    assert await shop.verified(purchase)
    pretend.release("order")

    assert expect(PurchaseOutcome, await late).activated is False
    await bought_once(shop, purchase.id)


# --- money that does not count


@pytest.mark.parametrize("what", ["wrong_amount", "wrong_currency", "wrong_custom_id"])
async def test_other_money_than_was_asked_for_activates_nothing_and_is_reported(
    what: str, shop: Shop, pretend: PretendPayPal
) -> None:
    purchase = await shop.approved()
    pretend.behave("capture", what)

    for _ in range(2):
        refused = await shop.refused(purchase)
        assert (refused.status, refused.situation) == (402, Situation.PAYMENT_UNCOUNTED)

    assert (await shop.account()).plan == "free"
    assert (await shop.kept(purchase.id)).stage is Stage.FAILED
    ((event, _, error),) = shop.engine.observer.faults
    assert event == "payment_does_not_count"
    assert isinstance(error, WrongMoney)
    assert str(error) == purchase.id


async def test_a_capture_that_was_declined_activates_nothing(
    shop: Shop, pretend: PretendPayPal
) -> None:
    purchase = await shop.approved()
    pretend.behave("capture", "capture_declined")

    assert (await shop.refused(purchase)).situation is Situation.PAYMENT_DECLINED
    assert (await shop.account()).plan == "free"
    assert shop.engine.observer.faults == []


async def test_money_on_its_way_is_waited_for_until_it_comes(
    shop: Shop, pretend: PretendPayPal
) -> None:
    purchase = await shop.approved()
    pretend.behave("capture", "pending")

    waits = [await shop.refused(purchase) for _ in range(2)]
    blocked = expect(Rejection, await shop.checkout.start(ACCOUNT_ID, "basic"))
    pretend.change(order_of(purchase), "settle")

    assert [(one.situation, one.wait_seconds) for one in waits] == [
        (Situation.PAYMENT_PENDING, 60)
    ] * 2
    assert blocked.situation is Situation.CHECKOUT_PENDING
    assert await shop.verified(purchase)
    await bought_once(shop, purchase.id)


async def test_money_on_its_way_that_does_not_come_ends_the_waiting(
    shop: Shop, pretend: PretendPayPal
) -> None:
    purchase = await shop.approved()
    pretend.behave("capture", "pending")
    await shop.refused(purchase)
    pretend.change(order_of(purchase), "decline")

    assert (await shop.refused(purchase)).situation is Situation.PAYMENT_DECLINED
    assert (await shop.opened()).stage is Stage.OPEN


# --- we die between two steps


async def test_death_before_the_capture_is_made_up_for(shop: Shop) -> None:
    purchase = await shop.approved()
    await shop.begun(purchase)

    assert await shop.verified(purchase)
    await bought_once(shop, purchase.id)


async def test_death_between_capture_and_commit_is_made_up_for(shop: Shop) -> None:
    purchase = await shop.approved()
    begun = await shop.begun(purchase)
    await shop.paypal.capture(order_of(begun), begun.capture_request)

    assert await shop.verified(purchase)
    await bought_once(shop, purchase.id)


async def test_death_before_the_capture_of_what_is_no_longer_approved_is_made_up_for(
    shop: Shop, pretend: PretendPayPal
) -> None:
    """Only the same capture again tells that nothing was taken."""
    purchase = await shop.opened()
    await shop.begun(purchase)

    refused = await shop.refused(purchase)
    settled = await shop.kept(purchase.id)

    assert refused.situation is Situation.PAYMENT_PENDING
    assert (settled.capture_begun_at, settled.captures) == (None, 2)
    pretend.change(order_of(purchase), "approve")
    assert await shop.verified(purchase)


async def test_a_capture_that_began_before_the_order_was_voided_is_over(
    shop: Shop, pretend: PretendPayPal
) -> None:
    purchase = await shop.approved()
    await shop.begun(purchase)
    pretend.change(order_of(purchase), "void")

    assert (await shop.refused(purchase)).status == 410
    assert (await shop.kept(purchase.id)).capture_begun_at is None
    assert (await shop.opened()).stage is Stage.OPEN
