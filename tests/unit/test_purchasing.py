"""Purchases as commands decide them: of one account, in one batch, with its plan."""

import pytest

from orchestrion.core.commands import Command
from orchestrion.core.decide import decide
from orchestrion.core.errors import ErrorCode
from orchestrion.core.instants import DAY
from orchestrion.core.outcomes import Outcome, PlanSet, PurchaseOutcome, Rejection, Situation
from orchestrion.core.plans import SELF_HOSTED
from orchestrion.core.purchase import Purchase, Stage
from orchestrion.core.purchasing import ENDLESS
from tests.factories import (
    ACCOUNT_ID,
    NOW,
    OTHER_ACCOUNT_ID,
    SMALL,
    a_view,
    an_account,
    expect,
    later,
)
from tests.unit.buying import (
    FIRST,
    ON_PURCHASE,
    SECOND,
    begins,
    confirms,
    expires,
    fails,
    gives_up,
    opens,
    records,
    sets,
)
from tests.unit.world import World


def bought(outcome: Outcome) -> Purchase:
    return expect(PurchaseOutcome, outcome).purchase


@pytest.fixture
def world() -> World:
    return World(catalogue=SMALL)


def test_a_purchase_goes_from_its_opening_to_the_plan(world: World) -> None:
    started, opened, begun, confirmed = world.submit(opens(), records(), begins(), confirms())

    assert bought(started).stage is Stage.STARTED
    assert (bought(started).plan_id, str(bought(started).price_usd)) == ("pro", "10.00")
    assert bought(opened).stage is Stage.OPEN
    assert bought(begun).capture_begun_at == NOW
    assert confirmed == PurchaseOutcome(
        purchase=world.purchases[ACCOUNT_ID, FIRST], changed=True, activated=True
    )
    account = world.accounts[ACCOUNT_ID]
    assert (account.plan, account.plan_expires_at) == ("pro", NOW + 30 * DAY)


def test_only_the_first_confirmation_activates_also_within_a_batch(world: World) -> None:
    world.submit(opens(), records(), begins())

    together = world.submit(*[confirms()] * 3)
    world.wait(10)
    (later_on,) = world.submit(confirms(capture_id="another"))

    outcomes = [expect(PurchaseOutcome, one) for one in [*together, later_on]]
    assert [one.activated for one in outcomes] == [True, False, False, False]
    assert {one.purchase.capture_id for one in outcomes} == {"3C67"}
    assert world.accounts[ACCOUNT_ID].plan_expires_at == NOW + 30 * DAY


@pytest.mark.parametrize("plan_id", ["free", "basic", "gold", ""])
def test_what_has_no_price_is_not_sold(plan_id: str, world: World) -> None:
    (outcome,) = world.submit(opens(plan_id=plan_id))

    refused = expect(Rejection, outcome)
    assert (refused.code, refused.situation) == (
        ErrorCode.INVALID_REQUEST,
        Situation.UNKNOWN_PLAN,
    )
    assert world.purchases == {}


def test_of_two_checkouts_in_one_batch_one_is_opened(world: World) -> None:
    first, second = world.submit(opens(FIRST), opens(SECOND))

    assert bought(first).stage is Stage.STARTED
    assert expect(Rejection, second).status == 503
    assert set(world.purchases) == {(ACCOUNT_ID, FIRST)}


def test_a_purchase_that_ran_out_gives_way_and_is_never_captured_then(world: World) -> None:
    world.submit(opens(FIRST), records(FIRST))
    world.wait(3 * 3_600)

    world.submit(opens(SECOND), records(SECOND))
    (late,) = world.submit(begins(FIRST))

    assert world.purchases[ACCOUNT_ID, FIRST].stage is Stage.EXPIRED
    assert expect(Rejection, late).status == 410
    assert bought(world.submit(begins(SECOND))[0]).capture_begun_at == world.now


def test_an_opening_that_was_never_finished_gives_way_after_a_minute(world: World) -> None:
    world.submit(opens(FIRST))
    world.wait(60)

    (second,) = world.submit(opens(SECOND))
    (too_late,) = world.submit(records(FIRST))

    assert bought(second).stage is Stage.STARTED
    assert world.purchases[ACCOUNT_ID, FIRST].stage is Stage.EXPIRED
    assert expect(Rejection, too_late).situation is Situation.CHECKOUT_EXPIRED


def test_a_declined_purchase_gives_way_at_once(world: World) -> None:
    world.submit(opens(FIRST), records(FIRST), begins(FIRST), fails(FIRST))

    (second,) = world.submit(opens(SECOND))

    assert bought(second).stage is Stage.STARTED
    assert world.purchases[ACCOUNT_ID, FIRST].stage is Stage.EXPIRED


def test_an_approval_that_came_late_counts_while_nothing_newer_exists(world: World) -> None:
    world.submit(opens(), records())
    world.wait(4 * 3_600)
    world.submit(expires())

    begun, confirmed = world.submit(begins(), confirms())

    assert bought(begun).stage is Stage.OPEN
    assert expect(PurchaseOutcome, confirmed).activated


def test_while_a_capture_is_under_way_nothing_newer_is_opened(world: World) -> None:
    world.submit(opens(FIRST), records(FIRST))
    world.wait(4 * 3_600)
    world.submit(begins(FIRST))
    world.wait(10**6)

    (second,) = world.submit(opens(SECOND))

    assert expect(Rejection, second).situation is Situation.CHECKOUT_PENDING


def test_money_of_a_purchase_that_was_replaced_is_not_forgotten(world: World) -> None:
    world.submit(opens(FIRST), records(FIRST), begins(FIRST), fails(FIRST), opens(SECOND))

    (confirmed,) = world.submit(confirms(FIRST))

    assert expect(PurchaseOutcome, confirmed).activated


def test_a_capture_is_begun_only_of_a_plan_that_is_for_sale(world: World) -> None:
    world.submit(opens(), records())
    world.catalogue = SELF_HOSTED

    (refused,) = world.submit(begins())
    (given_up,) = world.submit(gives_up())

    rejection = expect(Rejection, refused)
    assert (rejection.code, rejection.status) == (ErrorCode.PAYMENT_FAILED, 410)
    assert rejection.situation is Situation.PLAN_WITHDRAWN
    assert bought(given_up).stage is Stage.EXPIRED


def test_a_capture_under_way_of_a_plan_that_left_the_catalogue_goes_on(world: World) -> None:
    world.submit(opens(), records(), begins())
    world.catalogue = SELF_HOSTED

    (again,) = world.submit(begins())

    assert bought(again).capture_begun_at == NOW


def test_a_plan_without_an_end_is_not_sold_once_more() -> None:
    world = World(accounts=[an_account("pro")], catalogue=SMALL)

    (outcome,) = world.submit(opens(plan_id="pro"))

    refused = expect(Rejection, outcome)
    assert (refused.code, refused.message) == (ErrorCode.INVALID_REQUEST, ENDLESS)
    assert world.purchases == {}


def test_a_repeat_is_told_from_a_change(world: World) -> None:
    world.submit(opens(), records(), begins())

    first, second = world.submit(fails(), fails())

    assert [expect(PurchaseOutcome, one).changed for one in (first, second)] == [True, False]


@pytest.mark.parametrize("command", ON_PURCHASE)
def test_the_purchase_of_another_account_is_unknown(command: Command) -> None:
    world = World(catalogue=SMALL, accounts=[an_account(), an_account(id=OTHER_ACCOUNT_ID)])
    world.submit(opens(account_id=OTHER_ACCOUNT_ID))
    before = dict(world.purchases)

    (outcome,) = world.submit(command)

    refused = expect(Rejection, outcome)
    assert (refused.status, refused.situation) == (404, Situation.UNKNOWN_PURCHASE)
    assert world.purchases == before


def test_a_refusal_and_a_repeat_write_nothing(world: World) -> None:
    world.submit(opens(), records())
    for command in (expires(), records(), opens(SECOND)):
        view = a_view(
            command,
            accounts=world.accounts.values(),
            purchases=world.purchases.values(),
        )

        decide(command, SMALL, view)

        assert (view.purchases.new, view.purchases.changed) == ({}, {})
        assert not view.changed_accounts


# --- operators


def test_an_operator_sets_a_plan_and_another_plan_begins_a_cycle() -> None:
    world = World(accounts=[an_account(tasks_in_cycle=7)], catalogue=SMALL)

    (outcome,) = world.submit(sets("pro", later(99)))

    account = expect(PlanSet, outcome).account
    assert (account.plan, account.plan_expires_at) == ("pro", later(99))
    assert (account.cycle_started_at, account.tasks_in_cycle) == (NOW, 0)
    assert world.accounts[ACCOUNT_ID] == account


def test_an_operator_moves_the_end_of_a_plan_and_its_cycle_goes_on() -> None:
    before = an_account("pro", plan_expires_at=later(5), tasks_in_cycle=7)
    world = World(accounts=[before], catalogue=SMALL)

    (outcome,) = world.submit(sets("pro"))

    account = expect(PlanSet, outcome).account
    assert account.plan_expires_at is None
    assert (account.cycle_started_at, account.tasks_in_cycle) == (before.cycle_started_at, 7)


def test_a_plan_that_is_not_in_the_catalogue_is_not_set(world: World) -> None:
    (outcome,) = world.submit(sets("gold"))

    assert expect(Rejection, outcome).situation is Situation.UNKNOWN_PLAN
    assert world.accounts[ACCOUNT_ID].plan == "free"
