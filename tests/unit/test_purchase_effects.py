"""What the verbs of a purchase change besides its stage."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from msgspec.structs import replace

from orchestrion.core import purchase_lifecycle as lifecycle
from orchestrion.core.errors import ErrorCode
from orchestrion.core.instants import HOUR, Instant
from orchestrion.core.outcomes import Rejection, Situation
from orchestrion.core.payment import (
    Capture,
    CaptureStatus,
    Money,
    OpenedOrder,
    Order,
    OrderStatus,
    money,
)
from orchestrion.core.purchase import Purchase, Stage
from tests.factories import NOW, a_purchase, a_purchase_id, ago, expect, later

NEW = a_purchase(Stage.STARTED, id=a_purchase_id(9))
ORDER = OpenedOrder(order_id="8AC96375D5", checkout_url="https://pay.example/8AC96375D5")


def opened(newest: Purchase | None) -> Purchase | Rejection:
    return lifecycle.open_checkout(NEW, newest, NOW)


# --- opening


def test_the_first_purchase_of_an_account_is_opened_for_three_hours() -> None:
    purchase = expect(Purchase, opened(None))

    assert purchase == NEW
    assert purchase.expires_at == NOW + 3 * HOUR


@pytest.mark.parametrize(
    "pending",
    [
        a_purchase(created_at=ago(60), expires_at=later(0.001)),
        a_purchase(created_at=ago(60), capture_begun_at=ago(59), expires_at=later(1)),
        # Nobody knows whether the money was taken: whatever the time is.
        a_purchase(created_at=ago(10**9), capture_begun_at=ago(10**8), expires_at=ago(10**7)),
    ],
)
def test_a_pending_purchase_keeps_the_account_from_another_and_is_named(pending: Purchase) -> None:
    refused = expect(Rejection, opened(pending))

    assert (refused.code, refused.status) == (ErrorCode.INVALID_REQUEST, 400)
    assert refused.situation is Situation.CHECKOUT_PENDING
    assert refused.purchase == pending


def test_a_purchase_that_is_just_being_opened_asks_for_a_moment() -> None:
    refused = expect(Rejection, opened(a_purchase(Stage.STARTED, created_at=ago(59.999))))

    assert (refused.code, refused.status) == (ErrorCode.SERVER_ERROR, 503)
    assert refused.wait_seconds == 5
    assert refused.purchase is None


@pytest.mark.parametrize(
    "former",
    [
        a_purchase(Stage.STARTED, created_at=ago(60)),
        a_purchase(created_at=ago(3 * 3_600), expires_at=NOW),
        a_purchase(Stage.FAILED, created_at=ago(1)),
        a_purchase(Stage.EXPIRED, created_at=ago(1)),
        a_purchase(Stage.CONFIRMED, created_at=ago(1)),
    ],
)
def test_what_is_not_pending_keeps_nobody_from_another(former: Purchase) -> None:
    assert expect(Purchase, opened(former)).stage is Stage.STARTED


def test_a_purchase_is_newer_than_the_last_whatever_the_clock_did() -> None:
    last = a_purchase(Stage.FAILED, created_at=later(5))

    purchase = expect(Purchase, opened(last))

    assert purchase.created_at == last.created_at + 1
    assert purchase.expires_at == purchase.created_at + 3 * HOUR


def test_an_order_is_recorded_with_its_address_and_may_be_recorded_again() -> None:
    purchase = expect(Purchase, lifecycle.record_order(NEW, ORDER, later(1)))

    assert (purchase.order_id, purchase.checkout_url) == ("8AC96375D5", ORDER.checkout_url)
    assert lifecycle.record_order(purchase, ORDER, later(2)) is purchase


# --- capturing


def begun(purchase: Purchase) -> Purchase:
    return expect(Purchase, lifecycle.begin_capture(purchase, purchase, purchase.captures, NOW))


def test_whoever_comes_second_takes_part_in_the_same_capture() -> None:
    first = begun(a_purchase())

    assert first.capture_begun_at == NOW
    assert lifecycle.begin_capture(first, first, 1, later(1)) is first
    assert first.capture_request == f"{first.id}-capture-1"


@pytest.mark.parametrize("end", [lifecycle.undo_capture, lifecycle.fail_capture])
def test_a_definite_answer_ends_a_capture_and_the_next_has_another_name(
    end: Callable[[Purchase, int, Instant], Purchase | Rejection],
) -> None:
    ended = expect(Purchase, end(begun(a_purchase()), 1, later(1)))

    assert (ended.captures, ended.capture_begun_at) == (2, None)
    assert begun(ended).capture_request.endswith("-capture-2")


@pytest.mark.parametrize("end", [lifecycle.undo_capture, lifecycle.fail_capture])
def test_a_late_answer_to_an_earlier_capture_says_nothing_about_the_present(
    end: Callable[[Purchase, int, Instant], Purchase | Rejection],
) -> None:
    second = begun(a_purchase(captures=2))

    assert end(second, 1, later(1)) is second


def test_money_confirms_a_purchase_whatever_happened_before() -> None:
    for stage in (Stage.OPEN, Stage.FAILED, Stage.EXPIRED):
        confirmed = expect(Purchase, lifecycle.confirm(a_purchase(stage), "3C67", later(1)))

        assert (confirmed.capture_id, confirmed.confirmed_at) == ("3C67", later(1))
        assert confirmed.capture_begun_at is None


@pytest.mark.parametrize(
    ("meanwhile", "situation", "status"),
    [
        (a_purchase(Stage.FAILED), Situation.PAYMENT_DECLINED, 402),
        (a_purchase(captures=2, capture_begun_at=NOW), Situation.PLAIN, 503),
        (a_purchase(captures=2), Situation.PAYMENT_PENDING, 402),
        (a_purchase(Stage.EXPIRED, captures=2), Situation.CHECKOUT_EXPIRED, 410),
    ],
)
def test_who_looked_before_a_capture_ended_begins_no_other(
    meanwhile: Purchase, situation: Situation, status: int
) -> None:
    refused = expect(Rejection, lifecycle.begin_capture(meanwhile, meanwhile, 1, later(1)))

    assert (refused.situation, refused.status) == (situation, status)


def test_what_was_confirmed_meanwhile_is_confirmed() -> None:
    confirmed = a_purchase(Stage.CONFIRMED, captures=2)

    assert lifecycle.begin_capture(confirmed, confirmed, 1, later(1)) is confirmed


def test_an_order_that_is_not_found_says_nothing_of_a_capture_that_was_begun() -> None:
    refused = expect(Rejection, lifecycle.give_up(begun(a_purchase()), later(10**9)))

    assert (refused.code, refused.status, refused.wait_seconds) == (
        ErrorCode.SERVER_ERROR,
        503,
        5,
    )


def test_an_order_may_be_unseen_for_five_minutes() -> None:
    assert a_purchase(created_at=ago(299.999)).unseen(NOW)
    assert not a_purchase(created_at=ago(300)).unseen(NOW)


def test_an_order_that_was_voided_ends_what_was_begun() -> None:
    ended = expect(Purchase, lifecycle.void(begun(a_purchase()), later(1)))

    assert (ended.stage, ended.capture_begun_at) == (Stage.EXPIRED, None)


# --- when the job looks


@pytest.mark.parametrize(
    ("purchase", "settle_at"),
    [
        (a_purchase(Stage.STARTED), later(60)),
        (a_purchase(expires_at=later(900)), later(300)),
        (a_purchase(expires_at=later(99), capture_begun_at=later(7)), later(67)),
        (a_purchase(Stage.FAILED), None),
        (a_purchase(Stage.EXPIRED), None),
        (a_purchase(Stage.CONFIRMED), None),
    ],
)
def test_the_job_looks_after_what_is_not_settled(
    purchase: Purchase, settle_at: Instant | None
) -> None:
    assert purchase.settle_at == settle_at


# --- what counts

PAID = Capture(
    id="3C67",
    status=CaptureStatus.COMPLETED,
    amount=Decimal(10),
    currency="USD",
    custom_id=NEW.id,
)
BOUGHT = a_purchase(id=NEW.id, order_id="8AC9")


def order_with(*captures: Capture, order_id: str = "8AC9") -> Order:
    return Order(id=order_id, status=OrderStatus.COMPLETED, captures=captures)


@pytest.mark.parametrize(
    ("order", "what"),
    [
        (order_with(PAID), Money.RECEIVED),
        (order_with(PAID, replace(PAID, id="4D78")), Money.RECEIVED),
        (order_with(), Money.NONE),
        (order_with(replace(PAID, status=CaptureStatus.PENDING)), Money.PENDING),
        (order_with(replace(PAID, status=CaptureStatus.UNKNOWN)), Money.REFUSED),
        (order_with(replace(PAID, amount=Decimal("9.99"))), Money.WRONG),
        (order_with(replace(PAID, amount=Decimal("10.01"))), Money.WRONG),
        (order_with(replace(PAID, currency="EUR")), Money.WRONG),
        (order_with(replace(PAID, custom_id=a_purchase_id(8))), Money.WRONG),
        (order_with(replace(PAID, status=CaptureStatus.PENDING, currency="EUR")), Money.WRONG),
        (order_with(PAID, order_id="9BD0"), Money.WRONG),
        # The first capture counts, and no other.
        (order_with(replace(PAID, currency="EUR"), PAID), Money.WRONG),
    ],
)
def test_money_counts_where_everything_matches(order: Order, what: Money) -> None:
    assert money(BOUGHT, order) is what
