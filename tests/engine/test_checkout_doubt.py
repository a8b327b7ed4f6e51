"""What is not known for sure is never taken for an answer: nobody pays twice, or unasked."""

import asyncio

import pytest

from orchestrion.core.errors import ErrorCode
from orchestrion.core.faults import PaymentsUnavailable
from orchestrion.core.outcomes import PurchaseOutcome, Rejection, Situation
from orchestrion.core.plans import HOSTED, Catalogue
from orchestrion.core.purchase import Stage
from orchestrion.engine.checkout import Checkout, PlanWithdrawn
from orchestrion.jobs.finish_checkouts import FinishCheckouts
from tests.databases import Database
from tests.engine.shops import Shop, order_of, selling
from tests.factories import ACCOUNT_ID, expect
from tests.pretend_paypal import PretendPayPal
from tests.unit.buying import fails, sets

CROWD = 50
AN_HOUR = 3_600
WITHOUT_PRO = Catalogue(plans={one: HOSTED.plans[one] for one in ("free", "basic")})


def names_of_captures(pretend: PretendPayPal) -> set[str]:
    calls = pretend.look("calls")["calls"]
    return {call["request_id"] for call in calls if call["point"] == "capture"}


def elsewhere(shop: Shop) -> Checkout:
    """Give what another process would sell with."""
    return Checkout(shop.till)


# --- an order that PayPal does not show


async def test_an_order_that_is_not_found_says_nothing_of_money_that_may_be_taken(
    shop: Shop, pretend: PretendPayPal
) -> None:
    purchase = await shop.approved()
    pretend.behave("capture", "cut")
    await shop.unavailable(purchase)
    pretend.behave("order", "status", status=404, times=2)
    job = FinishCheckouts(shop.checkout, shop.engine.reader)

    await shop.unavailable(purchase)
    kept = await shop.kept(purchase.id)
    blocked = expect(Rejection, await shop.checkout.start(ACCOUNT_ID, "pro"))
    shop.clock.advance(60)
    with pytest.raises(PaymentsUnavailable):
        await job.run()
    await job.run()

    assert (kept.stage, kept.captures) == (Stage.OPEN, 1)
    assert kept.capture_begun_at is not None
    assert blocked.situation is Situation.CHECKOUT_PENDING
    assert (await shop.kept(purchase.id)).stage is Stage.CONFIRMED
    assert shop.captured(purchase) == 1


async def test_what_counts_is_whether_a_capture_is_under_way_now_and_not_at_the_look(
    shop: Shop, pretend: PretendPayPal
) -> None:
    purchase = await shop.approved()
    shop.clock.advance(AN_HOUR)
    begun = await shop.begun(purchase)
    pretend.behave("order", "status", status=404)

    with pytest.raises(PaymentsUnavailable):
        await shop.checkout.settle(purchase)

    assert await shop.kept(purchase.id) == begun


async def test_an_order_that_was_captured_already_and_is_not_found_stays_unsettled(
    shop: Shop, pretend: PretendPayPal
) -> None:
    purchase = await shop.approved()
    pretend.behave("capture", "issue", issue="ORDER_ALREADY_CAPTURED")
    await shop.unavailable(purchase)
    pretend.behave("order", "status", status=404)

    await shop.unavailable(purchase)

    assert (await shop.kept(purchase.id)).capture_begun_at is not None


async def test_a_capture_that_finds_no_order_is_not_refused(
    shop: Shop, pretend: PretendPayPal
) -> None:
    purchase = await shop.approved()
    pretend.behave("capture", "status", status=404)

    await shop.unavailable(purchase)
    kept = await shop.kept(purchase.id)

    assert (kept.stage, kept.captures) == (Stage.OPEN, 1)
    assert kept.capture_begun_at is not None
    assert await shop.verified(purchase)


async def test_an_order_that_is_new_may_not_be_found_yet(
    shop: Shop, pretend: PretendPayPal
) -> None:
    purchase = await shop.opened()
    pretend.behave("order", "status", status=404, times=2)

    shop.clock.advance(299.999)
    early = await shop.refused(purchase)
    shop.clock.advance(0.001)
    late = await shop.refused(purchase)

    assert (early.status, early.situation) == (402, Situation.PAYMENT_PENDING)
    assert (late.status, late.situation) == (410, Situation.CHECKOUT_EXPIRED)


# --- nobody takes what nobody asked for


async def test_who_looked_before_a_payment_was_declined_does_not_take_it_after(
    shop: Shop, pretend: PretendPayPal
) -> None:
    purchase = await shop.approved()
    pretend.behave("order", "hold")
    late = asyncio.create_task(elsewhere(shop).verify(ACCOUNT_ID, purchase.id))
    await asyncio.to_thread(pretend.wait_until_held, "order")
    pretend.behave("capture", "issue")

    assert (await shop.refused(purchase)).situation is Situation.PAYMENT_DECLINED
    pretend.release("order")

    assert expect(Rejection, await late).situation is Situation.PAYMENT_DECLINED
    assert (await shop.kept(purchase.id)).stage is Stage.FAILED
    assert (shop.captured(purchase), len(names_of_captures(pretend))) == (0, 1)
    assert (await shop.opened()).stage is Stage.OPEN


async def test_who_looked_before_another_capture_leaves_it_alone(
    shop: Shop, pretend: PretendPayPal
) -> None:
    purchase = await shop.approved()
    pretend.behave("order", "hold")
    late = asyncio.create_task(elsewhere(shop).verify(ACCOUNT_ID, purchase.id))
    await asyncio.to_thread(pretend.wait_until_held, "order")
    pretend.behave("capture", "issue")
    await shop.refused(purchase)
    await shop.begun(purchase, 2)
    pretend.release("order")

    refused = expect(Rejection, await late)

    assert (refused.code, refused.status) == (ErrorCode.SERVER_ERROR, 503)
    assert len(names_of_captures(pretend)) == 1


async def test_a_refusal_of_an_earlier_capture_is_not_told_while_another_is_under_way(
    shop: Shop, pretend: PretendPayPal
) -> None:
    purchase = await shop.approved()
    pretend.behave("capture", "issue")

    async def begun_again() -> None:
        await shop.engine.writer.submit(fails(purchase.id))
        await shop.begun(purchase, 2)

    refused = expect(Rejection, await shop.overtaken_by(begun_again).settle(purchase))

    assert (refused.code, refused.status) == (ErrorCode.SERVER_ERROR, 503)
    assert (await shop.kept(purchase.id)).capture_begun_at is not None


async def test_nobody_but_a_verify_tries_again_what_was_declined(
    shop: Shop, pretend: PretendPayPal
) -> None:
    purchase = await shop.approved()
    pretend.behave("capture", "issue")
    await shop.refused(purchase)

    told = expect(Rejection, await shop.checkout.settle(await shop.kept(purchase.id)))

    assert told.situation is Situation.PAYMENT_DECLINED
    assert shop.captured(purchase) == 0
    assert await shop.verified(purchase)


async def test_what_was_declined_is_not_tried_again_unasked_though_its_order_is_not_found(
    shop: Shop, pretend: PretendPayPal
) -> None:
    purchase = await shop.approved()
    shop.clock.advance(AN_HOUR)
    pretend.behave("capture", "issue")
    await shop.refused(purchase)
    pretend.behave("order", "status", status=404)

    gone = await shop.refused(purchase)
    told = expect(Rejection, await shop.checkout.settle(await shop.kept(purchase.id)))

    assert (gone.status, told.situation) == (410, Situation.PAYMENT_DECLINED)
    assert shop.captured(purchase) == 0


async def test_money_that_was_taken_after_all_counts_though_nobody_asks(
    shop: Shop, pretend: PretendPayPal
) -> None:
    purchase = await shop.approved()
    pretend.behave("capture", "issue")
    await shop.refused(purchase)
    await shop.paypal.capture(order_of(purchase), f"{purchase.id}-capture-9")

    outcome = await shop.checkout.settle(await shop.kept(purchase.id))

    assert expect(PurchaseOutcome, outcome).activated


# --- many at a time


@pytest.mark.parametrize("processes", [1, 2])
async def test_a_crowd_whose_card_is_declined_tries_it_once(
    processes: int, shop: Shop, pretend: PretendPayPal
) -> None:
    purchase = await shop.approved()
    pretend.behave("capture", "issue", times=1_000)
    pretend.behave("order", "hold", times=processes)
    checkouts = [elsewhere(shop) for _ in range(processes)]
    crowd = [
        asyncio.create_task(checkout.verify(ACCOUNT_ID, purchase.id))
        for checkout in checkouts
        for _ in range(CROWD // processes)
    ]
    await asyncio.to_thread(pretend.wait_until_held, "order", processes)
    pretend.release("order")

    outcomes = [expect(Rejection, one) for one in await asyncio.gather(*crowd)]

    assert {one.situation for one in outcomes} == {Situation.PAYMENT_DECLINED}
    assert names_of_captures(pretend) == {f"{purchase.id}-capture-1"}


async def test_a_hundred_verifies_of_one_process_are_one_look_and_one_capture(
    shop: Shop, pretend: PretendPayPal
) -> None:
    purchase = await shop.approved()

    outcomes = await shop.all_verify(purchase, 100)

    activated = [expect(PurchaseOutcome, one).activated for one in outcomes]
    assert activated.count(True) == 1
    assert (pretend.count("order"), pretend.count("capture")) == (1, 1)


async def test_who_gives_up_waiting_leaves_the_settling_to_the_others(
    shop: Shop, pretend: PretendPayPal
) -> None:
    purchase = await shop.approved()
    pretend.behave("order", "hold")
    first = asyncio.create_task(shop.verify(purchase))
    await asyncio.to_thread(pretend.wait_until_held, "order")
    second = asyncio.create_task(shop.verify(purchase))
    await asyncio.sleep(0)
    first.cancel()
    pretend.release("order")

    assert expect(PurchaseOutcome, await second).purchase.stage is Stage.CONFIRMED
    assert pretend.count("order") == 1


async def test_a_fault_is_told_to_all_who_wait(shop: Shop, pretend: PretendPayPal) -> None:
    purchase = await shop.approved()
    pretend.behave("order", "status")

    told = await asyncio.gather(*(shop.verify(purchase) for _ in range(10)), return_exceptions=True)

    assert {type(one) for one in told} == {PaymentsUnavailable}
    assert pretend.count("order") == 1
    assert await shop.verified(purchase)


# --- a plan that is no longer sold, or has no end


async def test_a_plan_that_left_the_catalogue_is_not_paid_for(
    database: Database, pretend: PretendPayPal
) -> None:
    async with selling(database, pretend) as shop:
        purchase = await shop.approved("pro")
    async with selling(database, pretend, catalogue=WITHOUT_PRO) as shop:
        refused = await shop.refused(purchase)
        # Nothing keeps the account from another checkout.
        assert (await shop.opened("basic")).stage is Stage.OPEN

    assert (refused.code, refused.status) == (ErrorCode.PAYMENT_FAILED, 410)
    assert refused.situation is Situation.PLAN_WITHDRAWN
    assert pretend.count("capture") == 0


async def test_money_for_a_plan_that_left_the_catalogue_is_reported(
    database: Database, pretend: PretendPayPal
) -> None:
    async with selling(database, pretend) as shop:
        purchase = await shop.begun(await shop.approved("pro"))
    async with selling(database, pretend, catalogue=WITHOUT_PRO) as shop:
        first = await shop.verified(purchase)
        again = await shop.verified(purchase)
        faults = shop.engine.observer.faults

    assert (first, again) == (True, False)
    ((event, _, error),) = faults
    assert isinstance(error, PlanWithdrawn)
    assert (event, str(error)) == ("payment_for_no_plan", purchase.id)


async def test_a_plan_without_an_end_is_not_sold_once_more(
    shop: Shop, pretend: PretendPayPal
) -> None:
    await shop.engine.writer.submit(sets("pro"))

    refused = expect(Rejection, await shop.checkout.start(ACCOUNT_ID, "pro"))

    assert (refused.code, refused.status) == (ErrorCode.INVALID_REQUEST, 400)
    assert pretend.count("create") == 0
    assert (await shop.opened("basic")).stage is Stage.OPEN
