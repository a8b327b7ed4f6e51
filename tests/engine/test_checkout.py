"""A plan is bought: opened, approved by a human, verified, and paid for once."""

import asyncio

import pytest
from msgspec.structs import replace

from orchestrion.core.errors import ErrorCode
from orchestrion.core.faults import PaymentsUnavailable
from orchestrion.core.ids import PurchaseId
from orchestrion.core.instants import DAY, HOUR
from orchestrion.core.outcomes import Changed, PlanSet, PurchaseOutcome, Rejection, Situation
from orchestrion.core.purchase import Stage
from orchestrion.engine.checkout import Checkout
from tests.databases import Database, add_accounts
from tests.engine.engines import PATIENCE_SECONDS
from tests.engine.shops import Shop, order_of, selling
from tests.factories import ACCOUNT_ID, OTHER_ACCOUNT_ID, an_account, expect
from tests.pretend_paypal import PretendPayPal
from tests.unit import asks
from tests.unit.buying import opens, sets

PENDING = (ErrorCode.PAYMENT_FAILED, 402, Situation.PAYMENT_PENDING)
DECLINED = (ErrorCode.PAYMENT_FAILED, 402, Situation.PAYMENT_DECLINED)
LATE = (ErrorCode.PAYMENT_FAILED, 410, Situation.CHECKOUT_EXPIRED)


def told(refused: Rejection) -> tuple[ErrorCode, int, Situation]:
    return refused.code, refused.status, refused.situation


# --- the whole way


async def test_a_plan_is_bought(shop: Shop, pretend: PretendPayPal) -> None:
    purchase = await shop.opened()

    assert purchase.stage is Stage.OPEN
    assert purchase.checkout_url is not None
    assert purchase.checkout_url.startswith(pretend.url)
    assert purchase.expires_at == shop.clock.now() + 3 * HOUR

    early = await shop.refused(purchase)
    pretend.change(order_of(purchase), "approve")
    activated = expect(PurchaseOutcome, await shop.verify(purchase))
    again = expect(PurchaseOutcome, await shop.verify(purchase))

    assert told(early) == PENDING
    assert early.wait_seconds == 30
    assert (activated.activated, again.activated) == (True, False)
    assert again.purchase == activated.purchase == await shop.kept(purchase.id)
    account = await shop.account()
    assert (account.plan, account.plan_expires_at) == ("pro", shop.clock.now() + 30 * DAY)
    assert shop.captured(purchase) == 1


async def test_the_human_is_asked_for_the_price_of_the_plan(
    shop: Shop, pretend: PretendPayPal
) -> None:
    purchase = await shop.opened("basic")

    (order,) = (one for one in pretend.look("orders")["orders"] if one["id"] == order_of(purchase))

    assert "9.99" in str(order)
    assert purchase.id in str(order)


async def test_a_plan_is_renewed_for_thirty_more_days(shop: Shop) -> None:
    for _ in range(2):
        assert await shop.verified(await shop.approved())

    account = await shop.account()
    assert account.plan_expires_at == shop.clock.now() + 60 * DAY


# --- starting


@pytest.mark.parametrize("plan_id", ["free", "gold", "", "PRO"])
async def test_what_is_not_for_sale_is_refused_whatever_is_configured(
    plan_id: str, shop: Shop
) -> None:
    for checkout in (shop.checkout, Checkout(replace(shop.till, payments=None))):
        refused = expect(Rejection, await checkout.start(ACCOUNT_ID, plan_id))

        assert (refused.status, refused.situation) == (400, Situation.UNKNOWN_PLAN)


async def test_without_payments_nothing_is_sold_but_what_was_bought_is_known(shop: Shop) -> None:
    bought = await shop.approved()
    await shop.verified(bought)
    pending = await shop.opened()
    off = Checkout(replace(shop.till, payments=None))

    started = expect(Rejection, await off.start(ACCOUNT_ID, "pro"))
    verified = expect(Rejection, await off.verify(ACCOUNT_ID, pending.id))

    for refused in (started, verified):
        assert (refused.status, refused.situation) == (503, Situation.PAYMENTS_OFF)
        assert refused.wait_seconds == 0
    assert expect(PurchaseOutcome, await off.verify(ACCOUNT_ID, bought.id)).activated is False


async def test_a_pending_checkout_is_named_instead_of_another(
    shop: Shop, pretend: PretendPayPal
) -> None:
    purchase = await shop.opened("pro")

    refused = expect(Rejection, await shop.checkout.start(ACCOUNT_ID, "basic"))

    assert refused.situation is Situation.CHECKOUT_PENDING
    assert refused.purchase == purchase
    assert pretend.count("create") == 1


@pytest.mark.parametrize(
    "what", ["status", "issue", "redirect", "hold", "malformed", "empty", "foreign_link", "no_link"]
)
async def test_an_order_that_cannot_be_opened_keeps_nobody_from_the_next_try(
    what: str, hurried: Shop, pretend: PretendPayPal
) -> None:
    pretend.behave("create", what)

    with pytest.raises(PaymentsUnavailable):
        await hurried.checkout.start(ACCOUNT_ID, "pro")
    pretend.release("create")

    assert await hurried.verified(await hurried.approved())


async def test_a_process_that_dies_while_opening_keeps_others_waiting_for_a_minute(
    shop: Shop, pretend: PretendPayPal
) -> None:
    pretend.behave("create", "hold")
    dying = asyncio.create_task(shop.checkout.start(ACCOUNT_ID, "pro"))
    await asyncio.to_thread(pretend.wait_until_held, "create")
    dying.cancel()

    busy = expect(Rejection, await shop.checkout.start(ACCOUNT_ID, "pro"))
    shop.clock.advance(60)
    purchase = await shop.opened()
    pretend.release("create")

    assert (busy.code, busy.status, busy.wait_seconds) == (ErrorCode.SERVER_ERROR, 503, 5)
    assert purchase.stage is Stage.OPEN


# --- verifying


async def test_the_purchase_of_another_account_is_unknown(database: Database, shop: Shop) -> None:
    add_accounts(database, an_account(id=OTHER_ACCOUNT_ID))
    purchase = await shop.approved()
    unknown = PurchaseId("pur_01KCNV8D0V00000000000000ZZ")

    foreign = expect(Rejection, await shop.checkout.verify(OTHER_ACCOUNT_ID, purchase.id))
    invented = expect(Rejection, await shop.checkout.verify(OTHER_ACCOUNT_ID, unknown))

    assert (foreign.status, foreign.situation) == (404, Situation.UNKNOWN_PURCHASE)
    assert foreign == replace(invented, now=foreign.now)
    assert (await shop.kept(purchase.id)).stage is Stage.OPEN


async def test_an_order_that_was_voided_ends_the_purchase(
    shop: Shop, pretend: PretendPayPal
) -> None:
    purchase = await shop.opened()
    pretend.change(order_of(purchase), "void")

    assert told(await shop.refused(purchase)) == LATE
    assert (await shop.kept(purchase.id)).stage is Stage.EXPIRED
    assert await shop.verified(await shop.approved())


async def test_an_order_that_is_gone_ends_the_purchase(shop: Shop, pretend: PretendPayPal) -> None:
    purchase = await shop.opened()
    pretend.change(order_of(purchase), "expire")
    shop.clock.advance(300)

    assert told(await shop.refused(purchase)) == LATE
    assert (await shop.kept(purchase.id)).stage is Stage.EXPIRED


async def test_nobody_approves_in_time(shop: Shop) -> None:
    purchase = await shop.opened()

    shop.clock.advance(3 * 3_600 - 0.001)
    in_time = await shop.refused(purchase)
    shop.clock.advance(0.001)
    too_late = await shop.refused(purchase)

    assert (told(in_time), told(too_late)) == (PENDING, LATE)
    assert told(await shop.refused(purchase)) == LATE


async def test_an_approval_after_the_end_still_counts(shop: Shop, pretend: PretendPayPal) -> None:
    purchase = await shop.opened()
    shop.clock.advance(4 * 3_600)
    assert told(await shop.refused(purchase)) == LATE

    pretend.change(order_of(purchase), "approve")

    assert await shop.verified(purchase)
    assert shop.captured(purchase) == 1


async def test_an_approval_of_what_was_replaced_is_never_captured(
    shop: Shop,
) -> None:
    """Nobody pays twice."""
    older = await shop.approved()
    shop.clock.advance(4 * 3_600)
    newer = await shop.approved()

    assert told(await shop.refused(older)) == LATE
    assert await shop.verified(newer)
    assert told(await shop.refused(older)) == LATE
    assert (shop.captured(older), shop.captured(newer)) == (0, 1)


async def test_what_was_captured_after_a_replacement_is_not_forgotten(shop: Shop) -> None:
    """It cannot happen, and if it does the money counts."""
    older = await shop.approved()
    shop.clock.advance(4 * 3_600)
    await shop.opened()
    await shop.paypal.capture(order_of(older), older.capture_request)

    assert await shop.verified(older)


async def test_a_purchase_that_was_never_opened_cannot_be_paid(shop: Shop) -> None:
    """Its opener died; whoever learned its id may ask all the same."""
    purchase = expect(PurchaseOutcome, await shop.engine.writer.submit(opens())).purchase

    soon = await shop.refused(purchase)
    shop.clock.advance(60)
    late = [await shop.refused(purchase) for _ in range(2)]

    assert told(soon) == PENDING
    assert [told(one) for one in late] == [LATE, LATE]


async def test_a_look_from_before_the_approval_ends_nothing(
    shop: Shop, pretend: PretendPayPal
) -> None:
    """Who read the order too early gives it up when another has captured it already."""
    purchase = await shop.opened()
    shop.clock.advance(3 * 3_600)
    pretend.behave("order", "hold")
    # Of another process: in one, who comes second joins the first.
    early = asyncio.create_task(Checkout(shop.till).verify(ACCOUNT_ID, purchase.id))
    await asyncio.to_thread(pretend.wait_until_held, "order")
    pretend.change(order_of(purchase), "approve")

    assert await shop.verified(purchase)
    pretend.release("order")

    assert expect(PurchaseOutcome, await early).purchase.stage is Stage.CONFIRMED


# --- told of it


@pytest.mark.parametrize("event", ["CHECKOUT.ORDER.APPROVED", "PAYMENT.CAPTURE.COMPLETED"])
async def test_a_notification_settles_a_purchase(
    event: str, shop: Shop, pretend: PretendPayPal
) -> None:
    purchase = await shop.approved()
    if event == "PAYMENT.CAPTURE.COMPLETED":
        await shop.paypal.capture(order_of(purchase), purchase.capture_request)

    order_id = await shop.paypal.event(*pretend.event(order_of(purchase), event))
    assert order_id is not None
    told_of = await shop.engine.reader.purchase_of_order(order_id)
    assert told_of == purchase
    outcome = expect(PurchaseOutcome, await shop.checkout.settle(told_of))

    assert outcome.activated
    assert await shop.verified(purchase) is False
    assert shop.captured(purchase) == 1


# --- no call while a transaction is open


@pytest.mark.parametrize("point", ["create", "order", "capture"])
async def test_the_account_can_be_written_while_paypal_thinks(
    point: str, database: Database, pretend: PretendPayPal
) -> None:
    async with selling(database, pretend) as shop:
        if point == "create":
            pretend.behave(point, "hold")
            waiting = asyncio.create_task(shop.checkout.start(ACCOUNT_ID, "pro"))
        else:
            purchase = await shop.approved()
            pretend.behave(point, "hold")
            waiting = asyncio.create_task(shop.verify(purchase))
        await asyncio.to_thread(pretend.wait_until_held, point)

        async with asyncio.timeout(PATIENCE_SECONDS):
            plan_set, created = await shop.engine.together(
                [
                    sets("basic"),
                    asks.create(1),
                ]
            )
        assert not waiting.done()
        pretend.release(point)

        assert expect(PlanSet, plan_set).account.plan == "basic"
        assert isinstance(created, Changed)
        assert isinstance(await waiting, PurchaseOutcome)
