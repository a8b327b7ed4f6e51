"""Webhook events of the pretend PayPal: made, signed and verified."""

import base64
import hashlib
import hmac
import secrets
import uuid
import zlib
from typing import Final

import msgspec

from orchestrion.payments.pretend.orders import Ledger, PretendOrder
from orchestrion.payments.pretend.replies import Json, Reply, refusal
from orchestrion.payments.pretend.wall import Wall, stamp

WEBHOOK_ID: Final = "PRETENDWEBHOOK1"
APPROVED: Final = "CHECKOUT.ORDER.APPROVED"
CAPTURED: Final = "PAYMENT.CAPTURE.COMPLETED"


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """The question whether an event is PayPal's, with the event's very bytes."""

    auth_algo: str
    cert_url: str
    transmission_id: str
    transmission_sig: str
    transmission_time: str
    webhook_id: str
    webhook_event: msgspec.Raw


class Notary:
    """Signs events, and tells its signature from others. A shared key stands for PayPal's own."""

    def __init__(self, url: str, wall: Wall, ledger: Ledger) -> None:
        self._url = url
        self._wall = wall
        self._ledger = ledger
        self._key = secrets.token_bytes(32)

    def event(self, order: PretendOrder, kind: str) -> Json:
        """Make an event as it would be sent: its headers, and its body as text."""
        resource = self._ledger.shown(order)
        if kind == CAPTURED:
            related = {"supplementary_data": {"related_ids": {"order_id": order.id}}}
            resource = order.captures[0] | related
        now = stamp(self._wall.now())
        body = msgspec.json.encode(
            {
                "id": f"WH-{secrets.token_hex(9).upper()}",
                "event_version": "1.0",
                "create_time": now,
                "resource_type": "capture" if kind == CAPTURED else "checkout-order",
                "resource_version": "2.0",
                "event_type": kind,
                "summary": "Pretended.",
                "resource": resource,
            }
        )
        transmission_id = str(uuid.uuid4())
        headers = {
            "paypal-auth-algo": "SHA256withRSA",
            "paypal-cert-url": f"{self._url}/v1/notifications/certs/CERT-PRETEND",
            "paypal-transmission-id": transmission_id,
            "paypal-transmission-sig": self._signature(transmission_id, now, WEBHOOK_ID, body),
            "paypal-transmission-time": now,
        }
        return {"headers": headers, "body": body.decode()}

    def verify(self, body: bytes) -> Reply:
        """Answer whether an event was signed here."""
        try:
            asked = msgspec.json.decode(body, type=Verification)
        except msgspec.DecodeError:
            return refusal(400, "MISSING_REQUIRED_PARAMETER")
        signature = self._signature(
            asked.transmission_id,
            asked.transmission_time,
            asked.webhook_id,
            bytes(asked.webhook_event),
        )
        good = asked.webhook_id == WEBHOOK_ID and hmac.compare_digest(
            signature.encode(), asked.transmission_sig.encode()
        )
        return Reply(status=200, body={"verification_status": "SUCCESS" if good else "FAILURE"})

    def _signature(self, transmission_id: str, time: str, webhook_id: str, body: bytes) -> str:
        # As PayPal does, over the checksum of the body's bytes: one changed space breaks it.
        signed = f"{transmission_id}|{time}|{webhook_id}|{zlib.crc32(body)}".encode()
        return base64.b64encode(hmac.digest(self._key, signed, hashlib.sha256)).decode()
