"""Webhook events: who claims to be PayPal, about which order, and how to ask PayPal whether so."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import msgspec

from orchestrion.core.faults import PaymentsBusy
from orchestrion.payments.calls import Answer, Call
from orchestrion.payments.hosts import BaseUrl
from orchestrion.payments.wire import EventBody, PayPalId, ResourceBody, VerificationBody

APPROVED: Final = "CHECKOUT.ORDER.APPROVED"
CAPTURED: Final = "PAYMENT.CAPTURE.COMPLETED"
EVENT_BYTES_MAX: Final = 65_536
"""An event larger than this is not looked at."""

# The header each field of the question comes from, and how long it may be.
_SIGNATURE: Final = (
    ("auth_algo", b"paypal-auth-algo", 100),
    ("cert_url", b"paypal-cert-url", 500),
    ("transmission_id", b"paypal-transmission-id", 50),
    ("transmission_sig", b"paypal-transmission-sig", 500),
    ("transmission_time", b"paypal-transmission-time", 100),
)
_OK, _MALFORMED, _REFUSED = 200, 400, 422


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody says happened, and the call that asks PayPal whether it sent that."""

    order_id: str
    call: Call

    def confirmed(self, answer: Answer) -> bool:
        """Tell whether PayPal said so. Raises PaymentsUnavailable if it said neither."""
        if answer.status in (_MALFORMED, _REFUSED) and answer.error is not None:
            return False
        if answer.status != _OK:
            raise answer.unavailable("no verification")
        status = answer.read(VerificationBody).verification_status
        if status not in ("SUCCESS", "FAILURE"):
            raise answer.unavailable("malformed")
        return status == "SUCCESS"


class Desk:
    """Takes events in. What cannot be PayPal's costs no call to PayPal."""

    def __init__(self, base: BaseUrl, webhook_id: str | None, events_max: int) -> None:
        self._base = base
        self._webhook_id = webhook_id
        self._free = events_max

    def claim(self, headers: Mapping[bytes, bytes], body: bytes) -> Claim | None:
        """Read an event; None if it is not about an order, or cannot be PayPal's."""
        signature = _signature(headers)
        if self._webhook_id is None or signature is None or len(body) > EVENT_BYTES_MAX:
            return None
        order_id = order_id_of(body)
        if order_id is None or not self._base.trusts(signature["cert_url"]):
            return None
        # The event goes on as it came, byte by byte: the signature is over just these bytes.
        question = {**signature, "webhook_id": self._webhook_id, "webhook_event": msgspec.Raw(body)}
        call = Call(
            name="verify",
            method="POST",
            path="/v1/notifications/verify-webhook-signature",
            headers={"Content-Type": "application/json"},
            content=msgspec.json.encode(question),
        )
        return Claim(order_id=order_id, call=call)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take one of the places at PayPal that events have; PayPal sends again what is refused."""
        if not self._free:
            raise PaymentsBusy("PayPal, verify: too many events at a time")
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


def order_id_of(body: bytes) -> str | None:
    """Find the order an event is about, in the two kinds of events that matter."""
    try:
        body.decode()
        event = msgspec.json.decode(body, type=EventBody)
        if event.event_type == APPROVED:
            return msgspec.json.decode(event.resource, type=_Approved).id
        if event.event_type == CAPTURED:
            resource = msgspec.json.decode(event.resource, type=ResourceBody)
            return resource.supplementary_data.related_ids.order_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return None


class _Approved(msgspec.Struct, frozen=True, kw_only=True):
    id: PayPalId


def _signature(headers: Mapping[bytes, bytes]) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for field, header, chars_max in _SIGNATURE:
        value = headers.get(header, b"")
        if not value or len(value) > chars_max or not value.isascii():
            return None
        found[field] = value.decode()
    return found
