"""The state machine of a purchase: one literal table, its guards, and one function per verb."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

import msgspec
from msgspec.structs import replace

from orchestrion.core import payment_refusals as refusals
from orchestrion.core.errors import ErrorCode
from orchestrion.core.instants import SECOND, Instant
from orchestrion.core.limits import (
    CHECKOUT_SECONDS,
    NOT_APPROVED_WAIT_SECONDS,
    PAYMENTS_WAIT_SECONDS,
)
from orchestrion.core.outcomes import Rejection, Situation
from orchestrion.core.payment import OpenedOrder
from orchestrion.core.purchase import (
    CONFIRMED,
    EXPIRED,
    FAILED,
    OPEN,
    STARTED,
    Purchase,
    Stage,
)

PENDING = "A checkout of this account is pending: have a human open its address, then verify it."
OPENING = "A checkout of this account is being opened at this moment."
NOT_APPROVED = "Nobody has approved this payment yet: a human must open the checkout's address."
RAN_OUT = "This checkout ran out or a newer one took its place; no money was taken."


class Verb(StrEnum):
    """What can be done to a purchase that exists."""

    RECORD_ORDER = "record_order"
    BEGIN_CAPTURE = "begin_capture"
    UNDO_CAPTURE = "undo_capture"
    FAIL_CAPTURE = "fail_capture"
    CONFIRM = "confirm"
    EXPIRE = "expire"
    GIVE_UP = "give_up"
    VOID = "void"


class Guard(StrEnum):
    """What must hold besides the stage."""

    NONE = "always"
    NEWEST = "there is an order, and no newer purchase of the account"
    OVER = "its time is over or a newer purchase exists, and no capture is under way"
    IDLE = "no capture is under way"


RECORD_ORDER, BEGIN_CAPTURE, UNDO_CAPTURE, FAIL_CAPTURE, CONFIRM, EXPIRE, GIVE_UP, VOID = Verb
NONE, NEWEST, OVER, IDLE = Guard


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """One row."""

    target: Stage
    guard: Guard = NONE


# A pair that is missing here, and is no repeat, is refused.
TABLE: Mapping[tuple[Stage, Verb], Transition] = MappingProxyType(
    {
        (STARTED, RECORD_ORDER): Transition(target=OPEN),
        (STARTED, EXPIRE): Transition(target=EXPIRED, guard=OVER),
        (STARTED, GIVE_UP): Transition(target=EXPIRED, guard=IDLE),
        (STARTED, VOID): Transition(target=EXPIRED),
        (OPEN, BEGIN_CAPTURE): Transition(target=OPEN, guard=NEWEST),
        (OPEN, UNDO_CAPTURE): Transition(target=OPEN),
        (OPEN, FAIL_CAPTURE): Transition(target=FAILED),
        (OPEN, CONFIRM): Transition(target=CONFIRMED),
        (OPEN, EXPIRE): Transition(target=EXPIRED, guard=OVER),
        (OPEN, GIVE_UP): Transition(target=EXPIRED, guard=IDLE),
        (OPEN, VOID): Transition(target=EXPIRED),
        (FAILED, BEGIN_CAPTURE): Transition(target=OPEN, guard=NEWEST),
        (FAILED, CONFIRM): Transition(target=CONFIRMED),
        (FAILED, EXPIRE): Transition(target=EXPIRED, guard=OVER),
        (FAILED, VOID): Transition(target=EXPIRED),
        # An order that was approved late is worth as much as one in time.
        (EXPIRED, BEGIN_CAPTURE): Transition(target=OPEN, guard=NEWEST),
        (EXPIRED, CONFIRM): Transition(target=CONFIRMED),
    }
)
# Nothing is left to do: the purchase is given as it is.
REPEATS = frozenset(
    {(CONFIRMED, verb) for verb in Verb}
    | {(FAILED, verb) for verb in (FAIL_CAPTURE, UNDO_CAPTURE, GIVE_UP)}
    | {(EXPIRED, verb) for verb in (EXPIRE, GIVE_UP, VOID, FAIL_CAPTURE, UNDO_CAPTURE)}
)


def open_checkout(new: Purchase, newest: Purchase | None, now: Instant) -> Purchase | Rejection:
    """Begin a purchase, unless another of the account is pending."""
    if newest is None:
        return new
    if newest.pending(now):
        return _keeps_from_another(newest, now)
    # Whatever the clock did: which purchase is the newest must be beyond doubt.
    created_at = Instant(max(now, newest.created_at + 1))
    expires_at = Instant(created_at + CHECKOUT_SECONDS * SECOND)
    return replace(new, created_at=created_at, expires_at=expires_at)


def record_order(purchase: Purchase, order: OpenedOrder, now: Instant) -> Purchase | Rejection:
    """Note which order is to be approved, and where."""
    if _repeated(purchase, RECORD_ORDER) or purchase.order_id == order.order_id:
        return purchase
    if refused := refusal(purchase, RECORD_ORDER, None, now):
        return refused
    return replace(
        _to_target(purchase, RECORD_ORDER, now),
        order_id=order.order_id,
        checkout_url=order.checkout_url,
    )


def begin_capture(
    purchase: Purchase, newest: Purchase | None, capture: int, now: Instant
) -> Purchase | Rejection:
    """Note that the money is about to be taken; who comes second takes part in the same capture.

    Whoever looked at the order before an earlier capture ended was not asked to begin another.
    """
    if _repeated(purchase, BEGIN_CAPTURE):
        return purchase
    if purchase.captures != capture:
        return _ended_meanwhile(purchase, now)
    if purchase.capture_begun_at is not None:
        return purchase
    if refused := refusal(purchase, BEGIN_CAPTURE, newest, now):
        return refused
    return replace(_to_target(purchase, BEGIN_CAPTURE, now), capture_begun_at=now)


def undo_capture(purchase: Purchase, capture: int, now: Instant) -> Purchase | Rejection:
    """Note that a capture surely took nothing, since nobody had approved the order."""
    return _end_capture(purchase, UNDO_CAPTURE, capture, now)


def fail_capture(purchase: Purchase, capture: int, now: Instant) -> Purchase | Rejection:
    """Note that a capture was refused for good, or took money that does not count."""
    return _end_capture(purchase, FAIL_CAPTURE, capture, now)


def confirm(purchase: Purchase, capture_id: str, now: Instant) -> Purchase | Rejection:
    """Note that the money is there; whatever happened before, it counts."""
    if _repeated(purchase, CONFIRM):
        return purchase
    if refused := refusal(purchase, CONFIRM, None, now):
        return refused
    return replace(
        _to_target(purchase, CONFIRM, now),
        capture_begun_at=None,
        capture_id=capture_id,
        confirmed_at=now,
    )


def expire(purchase: Purchase, newest: Purchase | None, now: Instant) -> Purchase | Rejection:
    """Give up a purchase whose time is over."""
    if _repeated(purchase, EXPIRE):
        return purchase
    refused = refusal(purchase, EXPIRE, newest, now)
    return refused or _to_target(purchase, EXPIRE, now)


def give_up(purchase: Purchase, now: Instant) -> Purchase | Rejection:
    """Give up a purchase that it seems nobody can pay: of money under way that says nothing."""
    if _repeated(purchase, GIVE_UP):
        return purchase
    refused = refusal(purchase, GIVE_UP, None, now)
    return refused or _to_target(purchase, GIVE_UP, now)


def void(purchase: Purchase, now: Instant) -> Purchase:
    """Give up a purchase that surely nobody can pay: its order was voided, or never was."""
    # The table has a place for this in every stage that is no repeat.
    if _repeated(purchase, VOID):
        return purchase
    return replace(_to_target(purchase, VOID, now), capture_begun_at=None)


def refusal(
    purchase: Purchase, verb: Verb, newest: Purchase | None, now: Instant
) -> Rejection | None:
    """Say why the table or a guard refuses the verb now; None when it is allowed.

    `newest` is the account's newest purchase, where the guard asks for it.
    """
    transition = TABLE.get((purchase.stage, verb))
    if transition is None:
        return not_approved(now) if purchase.stage in (STARTED, OPEN) else ran_out(now)
    replaced = newest is not None and newest.id != purchase.id
    if transition.guard is NEWEST and (replaced or purchase.order_id is None):
        return ran_out(now)
    if transition.guard is OVER and not (purchase.overdue(now) or replaced):
        return not_approved(now)
    if transition.guard is IDLE and purchase.capture_begun_at is not None:
        return refusals.under_way(now)
    return None


def not_approved(now: Instant) -> Rejection:
    """Refuse what the human has not made possible yet."""
    return Rejection(
        code=ErrorCode.PAYMENT_FAILED,
        message=NOT_APPROVED,
        status=402,
        wait_seconds=NOT_APPROVED_WAIT_SECONDS,
        now=now,
        situation=Situation.PAYMENT_PENDING,
    )


def ran_out(now: Instant) -> Rejection:
    """Refuse what came too late."""
    return Rejection(
        code=ErrorCode.PAYMENT_FAILED,
        message=RAN_OUT,
        status=410,
        now=now,
        situation=Situation.CHECKOUT_EXPIRED,
    )


def _keeps_from_another(pending: Purchase, now: Instant) -> Rejection:
    if pending.stage is STARTED:
        # Nobody was given its address, so nobody can do anything about it but wait a moment.
        return Rejection(
            code=ErrorCode.SERVER_ERROR,
            message=OPENING,
            status=503,
            wait_seconds=PAYMENTS_WAIT_SECONDS,
            now=now,
        )
    return Rejection(
        code=ErrorCode.INVALID_REQUEST,
        message=PENDING,
        status=400,
        now=now,
        situation=Situation.CHECKOUT_PENDING,
        purchase=pending,
    )


def _ended_meanwhile(purchase: Purchase, now: Instant) -> Rejection:
    if purchase.capture_begun_at is not None:
        return refusals.under_way(now)
    match purchase.stage:
        case Stage.FAILED:
            return refusals.declined(now)
        case Stage.EXPIRED:
            return ran_out(now)
        case _:
            return not_approved(now)


def _end_capture(
    purchase: Purchase, verb: Verb, capture: int, now: Instant
) -> Purchase | Rejection:
    # The answer to an earlier capture says nothing about the present one.
    if _repeated(purchase, verb) or purchase.captures != capture:
        return purchase
    if refused := refusal(purchase, verb, None, now):
        return refused
    ended = _to_target(purchase, verb, now)
    return replace(ended, captures=capture + 1, capture_begun_at=None)


def _repeated(purchase: Purchase, verb: Verb) -> bool:
    return (purchase.stage, verb) in REPEATS


def _to_target(purchase: Purchase, verb: Verb, now: Instant) -> Purchase:
    return replace(purchase, stage=TABLE[purchase.stage, verb].target, updated_at=now)
