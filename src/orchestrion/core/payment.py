"""What passes between purchases and whoever takes the money; must not know who that is."""

from decimal import Decimal
from enum import StrEnum

import msgspec

from orchestrion.core.ids import PurchaseId
from orchestrion.core.purchase import Purchase

CURRENCY = "USD"


class NewOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What a human is to be asked to pay, and where they go afterwards."""

    purchase_id: PurchaseId
    plan_name: str
    amount: Decimal
    return_url: str
    cancel_url: str
    currency: str = CURRENCY


class OpenedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order somebody can approve at an address."""

    order_id: str
    checkout_url: str


class OrderStatus(StrEnum):
    """How far an order is."""

    CREATED = "created"
    PAYER_ACTION_REQUIRED = "payer_action_required"
    APPROVED = "approved"
    COMPLETED = "completed"
    VOIDED = "voided"
    UNKNOWN = "unknown"


class CaptureStatus(StrEnum):
    """Whether money was moved."""

    COMPLETED = "completed"
    PENDING = "pending"
    UNKNOWN = "unknown"


class Capture(msgspec.Struct, frozen=True, kw_only=True):
    """Money that was moved, or is about to be; `custom_id` names the purchase it is for."""

    id: str
    status: CaptureStatus
    amount: Decimal
    currency: str
    custom_id: str


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An order as it is now."""

    id: str
    status: OrderStatus
    captures: tuple[Capture, ...] = ()


class Captured(msgspec.Struct, frozen=True, kw_only=True):
    """The capture was carried out, now or before; what it came to stands in the order."""

    order: Order


class NotApproved(msgspec.Struct, frozen=True):
    """Nobody has approved the order yet."""


class AlreadyCaptured(msgspec.Struct, frozen=True):
    """The money was moved before; the order tells."""


class InProgress(msgspec.Struct, frozen=True):
    """A capture of the order is under way."""


class Declined(msgspec.Struct, frozen=True):
    """No money will be moved by this capture."""


CaptureAnswer = Captured | NotApproved | AlreadyCaptured | InProgress | Declined


class Money(StrEnum):
    """What an order says of the money for a purchase."""

    RECEIVED = "received"
    PENDING = "pending"
    REFUSED = "refused"
    WRONG = "wrong"
    NONE = "none"


def money(purchase: Purchase, order: Order) -> Money:
    """Tell whether an order's first capture pays for a purchase: as much as was asked, no more."""
    if not order.captures:
        return Money.NONE
    capture = order.captures[0]
    asked = (order.id, capture.custom_id, capture.currency, capture.amount) == (
        purchase.order_id,
        purchase.id,
        CURRENCY,
        purchase.price_usd,
    )
    if not asked:
        return Money.WRONG
    return _BY_STATUS[capture.status]


_BY_STATUS = {
    CaptureStatus.COMPLETED: Money.RECEIVED,
    CaptureStatus.PENDING: Money.PENDING,
    CaptureStatus.UNKNOWN: Money.REFUSED,
}
