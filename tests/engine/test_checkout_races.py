"""A hundred verifies of one purchase, in one process and in two: one capture, one activation."""

import asyncio

import pytest

from orchestrion.core.instants import DAY
from orchestrion.core.outcomes import PurchaseOutcome, Rejection, Situation
from orchestrion.core.purchase import Stage
from tests.databases import SHARED, Database, Databases
from tests.engine.engines import PATIENCE_SECONDS
from tests.engine.shops import Shop, selling
from tests.factories import ACCOUNT_ID, expect
from tests.pretend_paypal import PretendPayPal

CROWD = 100


def activations(outcomes: list[PurchaseOutcome | Rejection]) -> int:
    """Count them; the others found the purchase confirmed."""
    confirmed = [expect(PurchaseOutcome, one) for one in outcomes]
    assert {one.purchase.stage for one in confirmed} == {Stage.CONFIRMED}
    return sum(one.activated for one in confirmed)


def names_of_captures(pretend: PretendPayPal) -> set[str]:
    calls = pretend.look("calls")["calls"]
    return {call["request_id"] for call in calls if call["point"] == "capture"}


async def paid_once(shop: Shop, purchase_id: str) -> None:
    account = await shop.account()
    assert (account.plan, account.plan_expires_at) == ("pro", shop.clock.now() + 30 * DAY)
    assert shop.pretend.captures()[purchase_id] == 1


async def test_a_hundred_verifies_at_once_activate_once(
    database: Database, pretend: PretendPayPal
) -> None:
    async with selling(database, pretend) as shop:
        purchase = await shop.approved()

        outcomes = await shop.all_verify(purchase, CROWD)

        assert activations(outcomes) == 1
        await paid_once(shop, purchase.id)


@pytest.mark.parametrize("shared", SHARED)
async def test_a_hundred_verifies_of_two_processes_activate_once(
    databases: Databases, shared: str, pretend: PretendPayPal
) -> None:
    with databases.fresh(shared) as database:
        async with selling(database, pretend) as one, selling(database, pretend) as other:
            purchase = await one.approved()

            async with asyncio.timeout(PATIENCE_SECONDS):
                here, there = await asyncio.gather(
                    one.all_verify(purchase, CROWD // 2), other.all_verify(purchase, CROWD // 2)
                )

            assert activations([*here, *there]) == 1
            await paid_once(one, purchase.id)


@pytest.mark.parametrize("shared", SHARED)
async def test_checkouts_of_two_processes_open_one(
    databases: Databases, shared: str, pretend: PretendPayPal
) -> None:
    with databases.fresh(shared) as database:
        async with selling(database, pretend) as one, selling(database, pretend) as other:
            async with asyncio.timeout(PATIENCE_SECONDS):
                outcomes = await asyncio.gather(
                    *(shop.checkout.start(ACCOUNT_ID, "pro") for shop in (one, other) * 10)
                )

            opened = [each for each in outcomes if isinstance(each, PurchaseOutcome)]
            assert len(opened) == 1
            assert {
                expect(Rejection, each).situation for each in outcomes if each not in opened
            } <= {
                Situation.PLAIN,
                Situation.CHECKOUT_PENDING,
            }


@pytest.mark.parametrize("shared", SHARED)
async def test_a_crowd_of_two_processes_that_is_declined_is_declined_once(
    databases: Databases, shared: str, pretend: PretendPayPal
) -> None:
    with databases.fresh(shared) as database:
        async with selling(database, pretend) as one, selling(database, pretend) as other:
            purchase = await one.approved()
            pretend.behave("capture", "issue", times=CROWD)
            # All have looked before any payment is tried.
            pretend.behave("order", "hold", times=2)
            crowd = asyncio.gather(
                one.all_verify(purchase, CROWD // 2), other.all_verify(purchase, CROWD // 2)
            )
            await asyncio.to_thread(pretend.wait_until_held, "order", 2)
            pretend.release("order")
            here, there = await crowd

            situations = {expect(Rejection, each).situation for each in [*here, *there]}
            assert situations == {Situation.PAYMENT_DECLINED}
            assert names_of_captures(pretend) == {purchase.capture_request}


async def test_a_crowd_that_is_declined_is_declined_once(
    database: Database, pretend: PretendPayPal
) -> None:
    """Who asks again after it was declined is the first to try once more."""
    async with selling(database, pretend) as shop:
        purchase = await shop.approved()
        pretend.behave("capture", "issue")

        outcomes = await shop.all_verify(purchase, CROWD)
        tried = names_of_captures(pretend)

        situations = {expect(Rejection, each).situation for each in outcomes}
        assert situations == {Situation.PAYMENT_DECLINED}
        assert tried == {purchase.capture_request}
        assert await shop.verified(purchase)
        await paid_once(shop, purchase.id)
