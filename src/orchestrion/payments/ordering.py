"""The body that asks PayPal for an order."""

from decimal import Decimal
from typing import Final

import msgspec

from orchestrion.core.payment import NewOrder

DESCRIPTION_CHARS_MAX: Final = 127
_CENT: Final = Decimal("0.01")


def order_request(new: NewOrder) -> bytes:
    """Write the request for an order; the purchase's id comes back with the money."""
    unit = {
        "reference_id": new.purchase_id,
        "custom_id": new.purchase_id,
        "invoice_id": new.purchase_id,
        "description": f"{new.plan_name}, 30 days"[:DESCRIPTION_CHARS_MAX],
        "amount": {"currency_code": new.currency, "value": money_text(new.amount)},
    }
    experience = {
        "return_url": new.return_url,
        "cancel_url": new.cancel_url,
        "user_action": "PAY_NOW",
        "shipping_preference": "NO_SHIPPING",
        "payment_method_preference": "IMMEDIATE_PAYMENT_REQUIRED",
    }
    return msgspec.json.encode(
        {
            "intent": "CAPTURE",
            "purchase_units": [unit],
            "payment_source": {"paypal": {"experience_context": experience}},
        }
    )


def money_text(amount: Decimal) -> str:
    """Write an amount with two decimals; one that has more would be another amount."""
    cents = amount.quantize(_CENT)
    assert cents == amount > 0, "an amount is positive and of whole cents"
    return f"{cents:f}"
