"""From PayPal's JSON to the values of the core; what does not fit is no answer at all."""

from collections.abc import Collection
from decimal import Decimal
from typing import Final

from orchestrion.core.payment import (
    AlreadyCaptured,
    Capture,
    CaptureAnswer,
    CaptureStatus,
    Declined,
    InProgress,
    NotApproved,
    Order,
    OrderStatus,
)
from orchestrion.payments.wire import CaptureBody, OrderBody

LINKS: Final = ("payer-action", "approve")
"""What the link to the human's page may be called; the first that is there is taken."""

# In this order, should an answer give several reasons: what may mean that money was moved first.
_ISSUES: Final[tuple[tuple[str, CaptureAnswer], ...]] = (
    ("ORDER_ALREADY_CAPTURED", AlreadyCaptured()),
    ("DUPLICATE_INVOICE_ID", AlreadyCaptured()),
    ("ORDER_COMPLETION_IN_PROGRESS", InProgress()),
    ("PREVIOUS_REQUEST_IN_PROGRESS", InProgress()),
    ("ORDER_NOT_APPROVED", NotApproved()),
    ("PAYER_ACTION_REQUIRED", NotApproved()),
)


def order_of(body: OrderBody) -> Order:
    """Read an order with the captures of what it is for."""
    captures = body.purchase_units[0].payments.captures if body.purchase_units else []
    return Order(
        id=body.id,
        status=_order_status(body.status),
        captures=tuple(_capture(capture) for capture in captures),
    )


def link_of(body: OrderBody) -> str | None:
    """Find the address where a human approves an order."""
    addresses = {link.rel: link.href for link in reversed(body.links)}
    return next((addresses[rel] for rel in LINKS if rel in addresses), None)


def refusal_of(issues: Collection[str]) -> CaptureAnswer:
    """Read why an order was not captured; whatever is not known means that it never will be."""
    return next((answer for issue, answer in _ISSUES if issue in issues), Declined())


def _order_status(status: str) -> OrderStatus:
    try:
        return OrderStatus(status.lower())
    except ValueError:
        return OrderStatus.UNKNOWN


def _capture(body: CaptureBody) -> Capture:
    return Capture(
        id=body.id,
        status=_capture_status(body.status),
        amount=Decimal(body.amount.value),
        currency=body.amount.currency_code,
        custom_id=body.custom_id,
    )


def _capture_status(status: str) -> CaptureStatus:
    try:
        return CaptureStatus(status.lower())
    except ValueError:
        return CaptureStatus.UNKNOWN
