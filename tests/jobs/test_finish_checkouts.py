"""What nobody verified is settled: money that was taken counts, and what was left is given up."""

import asyncio

import pytest

from orchestrion.core.faults import PaymentsUnavailable
from orchestrion.core.ids import AccountId, ulid
from orchestrion.core.instants import DAY, Instant
from orchestrion.core.outcomes import PurchaseOutcome
from orchestrion.core.purchase import Stage
from orchestrion.jobs.finish_checkouts import AT_ONCE_MAX, BATCHES_MAX, FinishCheckouts
from tests.databases import add_accounts, add_purchases
from tests.engine.shops import Shop, order_of
from tests.factories import NOW, a_purchase, a_purchase_id, an_account, expect
from tests.pretend_paypal import PretendPayPal
from tests.unit.buying import opens

A_RUN = AT_ONCE_MAX * BATCHES_MAX


@pytest.fixture
def job(shop: Shop) -> FinishCheckouts:
    return FinishCheckouts(shop.checkout, shop.engine.reader)


def an_account_id(number: int) -> AccountId:
    return AccountId("acct_" + ulid(NOW, 100 + number))


async def test_a_capture_of_unknown_outcome_is_settled_after_a_minute(
    shop: Shop, job: FinishCheckouts
) -> None:
    purchase = await shop.begun(await shop.approved())
    await shop.paypal.capture(order_of(purchase), purchase.capture_request)

    shop.clock.advance(59.999)
    await job.run()
    too_early = await shop.kept(purchase.id)
    shop.clock.advance(0.001)
    await job.run()

    assert too_early.stage is Stage.OPEN
    assert (await shop.kept(purchase.id)).stage is Stage.CONFIRMED
    account = await shop.account()
    assert (account.plan, account.plan_expires_at) == ("pro", shop.clock.now() + 30 * DAY)
    assert shop.captured(purchase) == 1


async def test_a_capture_that_was_never_made_is_made(shop: Shop, job: FinishCheckouts) -> None:
    purchase = await shop.begun(await shop.approved())
    shop.clock.advance(60)

    await job.run()

    assert (await shop.account()).plan == "pro"
    assert shop.captured(purchase) == 1


async def test_what_a_human_approved_and_nobody_verified_is_captured_before_its_end(
    shop: Shop, job: FinishCheckouts
) -> None:
    """Before PayPal forgets the order, which it does three hours after the approval."""
    purchase = await shop.approved()

    shop.pass_time(3 * 3_600 - 600.001)
    await job.run()
    waiting = await shop.kept(purchase.id)
    shop.pass_time(0.001)
    await job.run()

    assert waiting == purchase
    assert (await shop.kept(purchase.id)).stage is Stage.CONFIRMED
    assert shop.captured(purchase) == 1


async def test_before_its_end_what_nobody_approved_is_looked_at_and_left(
    shop: Shop, job: FinishCheckouts, pretend: PretendPayPal
) -> None:
    purchase = await shop.opened()
    shop.pass_time(3 * 3_600 - 600)

    for _ in range(9):
        await job.run()
        shop.pass_time(60)
    left = await shop.kept(purchase.id)
    pretend.change(order_of(purchase), "approve")
    await job.run()

    assert left == purchase
    assert pretend.count("order") == 10
    assert (await shop.kept(purchase.id)).stage is Stage.CONFIRMED


async def test_what_nobody_approved_is_given_up(
    shop: Shop, job: FinishCheckouts, pretend: PretendPayPal
) -> None:
    purchase = await shop.opened()
    shop.clock.advance(3 * 3_600)

    await job.run()
    looks = pretend.count("order")
    await job.run()

    assert (await shop.kept(purchase.id)).stage is Stage.EXPIRED
    # What is settled is not looked at again.
    assert pretend.count("order") == looks


async def test_an_opening_that_was_never_finished_is_given_up_without_asking(
    shop: Shop, job: FinishCheckouts, pretend: PretendPayPal
) -> None:
    expect(PurchaseOutcome, await shop.engine.writer.submit(opens()))

    shop.clock.advance(60)
    await job.run()

    assert (await shop.kept(a_purchase_id(1))).stage is Stage.EXPIRED
    assert pretend.count("order") == 0


async def test_one_purchase_in_trouble_spares_the_others(
    shop: Shop, job: FinishCheckouts, pretend: PretendPayPal
) -> None:
    accounts = [an_account(id=an_account_id(number)) for number in range(4)]
    add_accounts(shop.engine.database, *accounts)
    purchases = [await shop.approved("pro", account.id) for account in accounts]
    shop.clock.advance(3 * 3_600)
    pretend.behave("order", "status", status=500)

    with pytest.raises(PaymentsUnavailable):
        await job.run()
    first = [await shop.kept(one.id, one.account_id) for one in purchases]
    await job.run()

    assert [one.stage for one in first].count(Stage.CONFIRMED) == 3
    for one in purchases:
        assert (await shop.kept(one.id, one.account_id)).stage is Stage.CONFIRMED
        assert shop.captured(one) == 1


async def test_two_runs_at_a_time_settle_a_purchase_once(shop: Shop) -> None:
    purchase = await shop.begun(await shop.approved())
    shop.clock.advance(60)
    jobs = [FinishCheckouts(shop.checkout, shop.engine.reader) for _ in range(2)]

    await asyncio.gather(*(job.run() for job in jobs))

    account = await shop.account()
    assert account.plan_expires_at == shop.clock.now() + 30 * DAY
    assert shop.captured(purchase) == 1


async def test_a_run_is_bounded_and_the_next_goes_on_where_it_ended(
    shop: Shop, job: FinishCheckouts, pretend: PretendPayPal
) -> None:
    """Else what cannot be settled for long would keep the rest from being looked at."""
    accounts = [an_account(id=an_account_id(number)) for number in range(A_RUN + 1)]
    add_accounts(shop.engine.database, *accounts)
    now = shop.clock.now()
    add_purchases(
        shop.engine.database,
        *(
            a_purchase(
                account_id=account.id,
                id=a_purchase_id(number),
                order_id=f"{number:017d}",
                created_at=Instant(now - DAY),
                expires_at=Instant(now - DAY + number),
            )
            for number, account in enumerate(accounts)
        ),
    )
    pretend.behave("order", "status", times=A_RUN, status=500)

    with pytest.raises(PaymentsUnavailable):
        await job.run()
    last = accounts[-1].id
    untouched = await shop.kept(a_purchase_id(A_RUN), last)
    await job.run()

    assert untouched.stage is Stage.OPEN
    assert (await shop.kept(a_purchase_id(A_RUN), last)).stage is Stage.EXPIRED
    await job.run()
    assert (await shop.kept(a_purchase_id(0), accounts[0].id)).stage is Stage.EXPIRED
