"""PayPal's JSON as far as it is read here; what is malformed does not decode."""

from typing import Annotated

from msgspec import Meta, Raw, Struct

PayPalId = Annotated[str, Meta(pattern=r"^[A-Z0-9]+\Z", min_length=1, max_length=36)]
"""What PayPal calls an order: it goes into addresses, so nothing else may stand in it."""
CaptureId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]+\Z", min_length=1, max_length=64)]
Word = Annotated[str, Meta(pattern=r"^[A-Z0-9_]+\Z", min_length=1, max_length=255)]
Issue = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]+\Z", min_length=1, max_length=127)]
Digits = Annotated[str, Meta(pattern=r"^[0-9]{1,16}(\.[0-9]{1,8})?\Z", max_length=32)]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
AccessToken = Annotated[str, Meta(pattern=r"^[\x21-\x7e]+\Z", min_length=1, max_length=8_192)]
Seconds = Annotated[int, Meta(ge=1, le=10**9)]


class TokenBody(Struct, frozen=True, kw_only=True):
    """An access token and how long it holds."""

    access_token: AccessToken
    expires_in: Seconds


class Money(Struct, frozen=True, kw_only=True):
    """An amount; its digits are text, so that nobody rounds them."""

    currency_code: Currency
    value: Digits


class Link(Struct, frozen=True, kw_only=True):
    """Where to go on."""

    href: str
    rel: str


class CaptureBody(Struct, frozen=True, kw_only=True):
    """Money that was moved or is about to be."""

    id: CaptureId
    status: Word
    amount: Money
    custom_id: str


class PaymentsBody(Struct, frozen=True, kw_only=True):
    """What happened to the money of a purchase unit."""

    captures: list[CaptureBody] = []


class UnitBody(Struct, frozen=True, kw_only=True):
    """One of the things an order is for; ours are for one."""

    payments: PaymentsBody = PaymentsBody()


class OrderBody(Struct, frozen=True, kw_only=True):
    """An order."""

    id: PayPalId
    status: Word
    purchase_units: list[UnitBody] = []
    links: list[Link] = []


class Detail(Struct, frozen=True, kw_only=True):
    """Why a request was refused."""

    issue: Issue


class ErrorBody(Struct, frozen=True, kw_only=True):
    """A refusal: `name` is its kind, the issues say why."""

    name: Word
    details: list[Detail] = []


class VerificationBody(Struct, frozen=True, kw_only=True):
    """Whether a webhook event is PayPal's."""

    verification_status: Word


class RelatedIds(Struct, frozen=True, kw_only=True):
    """What else a capture belongs to."""

    order_id: PayPalId | None = None


class SupplementaryData(Struct, frozen=True, kw_only=True):
    """Data beside a capture."""

    related_ids: RelatedIds = RelatedIds()


class ResourceBody(Struct, frozen=True, kw_only=True):
    """What an event is about: an order or a capture."""

    id: CaptureId
    supplementary_data: SupplementaryData = SupplementaryData()


class EventBody(Struct, frozen=True, kw_only=True):
    """A webhook event; it is anybody's word until PayPal has confirmed it."""

    event_type: str
    resource: Raw = Raw(b"null")
