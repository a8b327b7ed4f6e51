"""What the pretend PayPal is asked, checked as strictly as PayPal checks it."""

import re
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

_CENTS: Final = re.compile(r"[0-9]+(\.[0-9]{1,2})?", re.ASCII)
_NOTHING: Final = re.compile(r"[0.]+", re.ASCII)

Text127 = Annotated[str, Meta(min_length=1, max_length=127)]


class Amount(msgspec.Struct, frozen=True, kw_only=True):
    """Money; a value that is no text does not decode."""

    currency_code: Annotated[str, Meta(min_length=3, max_length=3)]
    value: Annotated[str, Meta(max_length=32)]


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """What an order is for."""

    amount: Amount
    reference_id: Annotated[str, Meta(max_length=256)] = "default"
    custom_id: Annotated[str, Meta(max_length=127)] = ""
    invoice_id: Annotated[str, Meta(max_length=127)] = ""
    description: Annotated[str, Meta(max_length=127)] = ""


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """Where the human goes, and what they see."""

    return_url: str
    cancel_url: str
    user_action: str = "CONTINUE"
    shipping_preference: str = "GET_FROM_FILE"
    payment_method_preference: str = "UNRESTRICTED"


class Wallet(msgspec.Struct, frozen=True, kw_only=True):
    """Paying with PayPal."""

    experience_context: Context


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """How it is paid."""

    paypal: Wallet


class OrderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The body that asks for an order."""

    intent: str
    purchase_units: Annotated[list[Unit], Meta(min_length=1, max_length=10)]
    payment_source: Source | UnsetType = UNSET
    application_context: Context | UnsetType = UNSET

    @property
    def unit(self) -> Unit:
        """The one thing it is for."""
        return self.purchase_units[0]

    @property
    def context(self) -> Context | None:
        """Where the human goes, told in today's way; None if told in the former."""
        source = self.payment_source
        return None if source is UNSET else source.paypal.experience_context

    @property
    def places(self) -> Context | None:
        """Where the human goes, however it was told."""
        former = self.application_context
        return self.context or (None if former is UNSET else former)


class Wrong(msgspec.Struct, frozen=True):
    """Why a request for an order is refused."""

    status: int
    issue: str
    field: str = ""


def read_order_request(body: bytes, request_id: str) -> OrderRequest | Wrong:
    """Read and check the body that asks for an order."""
    try:
        request = msgspec.json.decode(body, type=OrderRequest)
    except msgspec.ValidationError as error:
        return Wrong(400, "INVALID_PARAMETER_SYNTAX", str(error))
    except msgspec.DecodeError:
        return Wrong(400, "MALFORMED_REQUEST_JSON")
    if request.intent != "CAPTURE":
        return Wrong(422, "UNSUPPORTED_INTENT", "/intent")
    if request.context is not None and not request_id:
        return Wrong(400, "PAYPAL_REQUEST_ID_REQUIRED")
    if request.places is None:
        return Wrong(400, "MISSING_REQUIRED_PARAMETER", "/payment_source")
    value = request.unit.amount.value
    if not _CENTS.fullmatch(value):
        return Wrong(422, "DECIMAL_PRECISION", "/purchase_units/@reference_id=='x'/amount/value")
    if _NOTHING.fullmatch(value):
        return Wrong(422, "CANNOT_BE_ZERO_OR_NEGATIVE", "/purchase_units/0/amount/value")
    return request
