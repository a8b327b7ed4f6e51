"""The pretend PayPal's orders: how they begin, are approved, captured and forgotten."""

import secrets
import string
from typing import Any, Final

import msgspec

from orchestrion.payments.pretend.behaviours import Behaviour, What
from orchestrion.payments.pretend.replies import Json, Reply, link, refusal
from orchestrion.payments.pretend.requests import OrderRequest
from orchestrion.payments.pretend.wall import Wall, stamp

ORDERS_MAX: Final = 100_000
APPROVAL_SECONDS: Final = 3 * 3_600
"""How long an order waits for its approval, and an approved one for its capture."""
PAYER_ID: Final = "PRETENDPAYER1"
_ALPHABET: Final = string.ascii_uppercase + string.digits
# Answers that PayPal gives before anything was tried; the same request may succeed later.
_UNTRIED: Final = frozenset(
    {"ORDER_NOT_APPROVED", "PAYER_ACTION_REQUIRED", "ORDER_COMPLETION_IN_PROGRESS"}
)


class PretendOrder(msgspec.Struct, kw_only=True):
    """An order and what became of it."""

    id: str
    request: OrderRequest
    status: str
    created_at: float
    changed_at: float
    gone: bool = False
    captures: list[Json] = []

    @property
    def purchase(self) -> str:
        """What whoever ordered calls it."""
        return self.request.unit.custom_id

    @property
    def paid(self) -> bool:
        """Tell whether money was moved."""
        return any(capture["status"] in ("COMPLETED", "PENDING") for capture in self.captures)


class Ledger:
    """All orders, and which requests were answered before."""

    def __init__(self, url: str, wall: Wall) -> None:
        self._url = url
        self._wall = wall
        self._orders: dict[str, PretendOrder] = {}
        self._created: dict[str, str] = {}
        self._captured: dict[str, tuple[str, str]] = {}

    def find(self, order_id: str) -> PretendOrder | None:
        """Find an order, unless it has run out."""
        order = self._orders.get(order_id)
        if order is None or order.gone:
            return None
        waiting = order.status in ("CREATED", "PAYER_ACTION_REQUIRED", "APPROVED")
        over = self._wall.now() >= order.changed_at + APPROVAL_SECONDS
        return None if waiting and over else order

    def captures(self) -> dict[str, int]:
        """Count how often money was moved for each purchase."""
        counts: dict[str, int] = {}
        for order in self._orders.values():
            moved = [one for one in order.captures if one["status"] in ("COMPLETED", "PENDING")]
            counts[order.purchase] = counts.get(order.purchase, 0) + len(moved)
        return counts

    def orders(self) -> list[PretendOrder]:
        """Give all orders, oldest first, also those that have run out."""
        return list(self._orders.values())

    def create(self, request: OrderRequest, request_id: str, told: Behaviour | None) -> Reply:
        """Open an order, or answer once more about the one this request opened."""
        known = self.find(self._created.get(request_id, ""))
        if known is not None and not _is(told, What.FORGET):
            return Reply(status=200, body=self.shown(known), repeated=True)
        if len(self._orders) >= ORDERS_MAX:
            return refusal(503)
        now = self._wall.now()
        order = PretendOrder(
            id=_new_id(),
            request=request,
            status="CREATED" if request.context is None else "PAYER_ACTION_REQUIRED",
            created_at=now,
            changed_at=now,
        )
        self._orders[order.id] = order
        self._created[request_id] = order.id
        return Reply(status=201, body=self.shown(order))

    def capture(self, order_id: str, request_id: str, told: Behaviour | None) -> Reply:
        """Move the money of an approved order, once."""
        order = self.find(order_id)
        if order is None:
            return refusal(404, "INVALID_RESOURCE_ID")
        before = None if _is(told, What.FORGET) else self._captured.get(request_id)
        if before is not None and before[0] == order_id:
            return self._again(order, before[1])
        issue = self._obstacle(order) if not _is(told, What.ISSUE) else told.issue if told else ""
        if issue not in _UNTRIED:
            self._captured[request_id] = order_id, issue
        if issue:
            return refusal(422, issue)
        order.captures = [self._new_capture(order, told)]
        self._change(order, "COMPLETED")
        return Reply(status=201, body=self.shown(order))

    def approve(self, order: PretendOrder) -> None:
        """A human has approved it."""
        self._change(order, "APPROVED")

    def void(self, order: PretendOrder) -> None:
        """Nobody can pay it any more."""
        self._change(order, "VOIDED")

    def settle(self, order: PretendOrder, status: str) -> None:
        """Money that was pending has arrived, or never will."""
        order.captures = [capture | {"status": status} for capture in order.captures]

    def shown(self, order: PretendOrder) -> Json:
        """Write an order in full."""
        unit: dict[str, Any] = msgspec.to_builtins(order.request.unit)
        if order.captures:
            unit["payments"] = {"captures": order.captures}
        payer: Json = {}
        if order.status in ("APPROVED", "COMPLETED"):
            payer = {"payer": {"payer_id": PAYER_ID, "email_address": "human@example.com"}}
        return {
            "id": order.id,
            "intent": "CAPTURE",
            "status": order.status,
            "payment_source": {"paypal": {}},
            "purchase_units": [unit],
            **payer,
            "create_time": stamp(order.created_at),
            "update_time": stamp(order.changed_at),
            "links": self._links(order),
        }

    def _again(self, order: PretendOrder, issue: str) -> Reply:
        if issue:
            return msgspec.structs.replace(refusal(422, issue), repeated=True)
        return Reply(status=200, body=self.shown(order), repeated=True)

    def _obstacle(self, order: PretendOrder) -> str:
        match order.status:
            case "COMPLETED":
                return "ORDER_ALREADY_CAPTURED"
            case "VOIDED":
                return "TRANSACTION_REFUSED"
            case "APPROVED":
                invoice = order.request.unit.invoice_id
                twin = any(
                    other.paid and invoice and other.request.unit.invoice_id == invoice
                    for other in self._orders.values()
                )
                return "DUPLICATE_INVOICE_ID" if twin else ""
            case _:
                return "ORDER_NOT_APPROVED"

    def _new_capture(self, order: PretendOrder, told: Behaviour | None) -> Json:
        unit = order.request.unit
        capture_id = _new_id()
        address = f"{self._url}/v2/payments/captures/{capture_id}"
        now = stamp(self._wall.now())
        capture: Json = {
            "id": capture_id,
            "status": "COMPLETED",
            "amount": msgspec.to_builtins(unit.amount),
            "final_capture": True,
            "seller_protection": {"status": "NOT_ELIGIBLE"},
            "invoice_id": unit.invoice_id,
            "custom_id": unit.custom_id,
            "links": [
                link(address, "self"),
                link(f"{address}/refund", "refund", "POST"),
                link(f"{self._url}/v2/checkout/orders/{order.id}", "up"),
            ],
            "create_time": now,
            "update_time": now,
        }
        return capture | _misread(capture, told)

    def _links(self, order: PretendOrder) -> list[Json]:
        address = f"{self._url}/v2/checkout/orders/{order.id}"
        page = f"{self._url}/checkoutnow?token={order.id}"
        links = [link(address, "self")]
        match order.status:
            case "PAYER_ACTION_REQUIRED":
                links.append(link(page, "payer-action"))
            case "CREATED":
                links += [link(page, "approve"), link(f"{address}/capture", "capture", "POST")]
            case "APPROVED":
                links.append(link(f"{address}/capture", "capture", "POST"))
            case _:
                pass
        return links

    def _change(self, order: PretendOrder, status: str) -> None:
        order.status = status
        order.changed_at = self._wall.now()


def _misread(capture: Json, told: Behaviour | None) -> Json:
    """What is wrong with a capture that was told to go wrong."""
    match told.what if told else None:
        case What.WRONG_AMOUNT:
            return {"amount": capture["amount"] | {"value": "0.01"}}
        case What.WRONG_CURRENCY:
            return {"amount": capture["amount"] | {"currency_code": "JPY"}}
        case What.WRONG_CUSTOM_ID:
            return {"custom_id": "pur_another"}
        case What.PENDING:
            return {"status": "PENDING", "status_details": {"reason": "PENDING_REVIEW"}}
        case What.CAPTURE_DECLINED:
            return {"status": "DECLINED"}
        case _:
            return {}


def _is(told: Behaviour | None, what: What) -> bool:
    return told is not None and told.what is what


def _new_id() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(17))
