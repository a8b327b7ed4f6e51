"""PayPal's Orders v2: opens, reads and captures orders; must not decide what they are worth.

Nothing is tried again but a call whose token had run out: whoever asks knows what is safe.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec
from msgspec.structs import replace

from orchestrion.core.clock import Clock
from orchestrion.core.payment import (
    CaptureAnswer,
    Captured,
    NewOrder,
    OpenedOrder,
    Order,
)
from orchestrion.payments.calls import Answer, Call, CallLimits, CallRecord, Calls
from orchestrion.payments.events import Desk
from orchestrion.payments.hosts import BaseUrl
from orchestrion.payments.ordering import order_request
from orchestrion.payments.reading import link_of, order_of, refusal_of
from orchestrion.payments.tokens import Credentials, Tokens
from orchestrion.payments.wire import OrderBody

ORDERS: Final = "/v2/checkout/orders"
GONE: Final = "RESOURCE_NOT_FOUND"
DONE: Final = frozenset({200, 201})
_OK, _UNAUTHORIZED, _NOT_FOUND, _REFUSED = 200, 401, 404, 422
# Without it an answer leaves out the amounts.
_WHOLE: Final = ("Prefer", "return=representation")


class PayPalOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where PayPal is and who we are to it; without a webhook id its events are not believed."""

    base_url: BaseUrl
    credentials: Credentials
    webhook_id: str | None = None
    limits: CallLimits = CallLimits()


class PayPal:
    """Fits `engine.ports.Payments`. Every method may raise PaymentsUnavailable."""

    def __init__(
        self, options: PayPalOptions, clock: Clock, told: Callable[[CallRecord], None]
    ) -> None:
        self._base = options.base_url
        self._calls = Calls(options.base_url, options.limits, clock, told)
        self._tokens = Tokens(self._calls, options.credentials, clock)
        self._desk = Desk(options.base_url, options.webhook_id, options.limits.events_max)

    async def create_order(self, order: NewOrder) -> OpenedOrder:
        """Open an order for a purchase; asked again, the same order."""
        answer = await self._ask(
            Call(
                name="create",
                method="POST",
                path=ORDERS,
                headers=_posted(f"{order.purchase_id}-create"),
                content=order_request(order),
            )
        )
        if answer.status not in DONE:
            raise answer.unavailable("no order")
        body = answer.read(OrderBody)
        link = link_of(body)
        if link is None or not self._base.trusts(link):
            raise answer.unavailable("no link to PayPal")
        return OpenedOrder(order_id=body.id, checkout_url=link)

    async def order(self, order_id: str) -> Order | None:
        """Read an order; None if PayPal no longer has it."""
        answer = await self._ask(
            Call(name="order", method="GET", path=f"{ORDERS}/{order_id}", headers={})
        )
        if _gone(answer):
            return None
        if answer.status != _OK:
            raise answer.unavailable("no order")
        return _same(answer, order_id)

    async def capture(self, order_id: str, request_id: str) -> CaptureAnswer:
        """Take the money of an approved order; asked again with the same id, at most once."""
        answer = await self._ask(
            Call(
                name="capture",
                method="POST",
                path=f"{ORDERS}/{order_id}/capture",
                headers=_posted(request_id),
                content=b"{}",
            )
        )
        if answer.status in DONE:
            return Captured(order=_same(answer, order_id))
        if answer.status == _REFUSED and answer.error is not None:
            return refusal_of(answer.issues)
        raise answer.unavailable("no capture")

    async def event(self, headers: Mapping[bytes, bytes], body: bytes) -> str | None:
        """Name the order a webhook event is about; None if PayPal did not send it."""
        claim = self._desk.claim(headers, body)
        if claim is None:
            return None
        with self._desk.place():
            answer = await self._ask(claim.call)
        return claim.order_id if claim.confirmed(answer) else None

    async def close(self) -> None:
        """Let go of the connections."""
        await self._tokens.close()
        await self._calls.close()

    async def _ask(self, call: Call) -> Answer:
        token = await self._tokens.current()
        answer = await self._calls.send(_bearing(call, token))
        if answer.status == _UNAUTHORIZED:
            self._tokens.refused(token)
            answer = await self._calls.send(_bearing(call, await self._tokens.current()))
        if answer.status == _UNAUTHORIZED:
            raise answer.unavailable("a new token was refused")
        return answer


def _bearing(call: Call, token: str) -> Call:
    return replace(call, headers={**call.headers, "Authorization": f"Bearer {token}"})


def _posted(request_id: str) -> Mapping[str, str]:
    return {
        "Content-Type": "application/json",
        "PayPal-Request-Id": request_id,
        _WHOLE[0]: _WHOLE[1],
    }


def _gone(answer: Answer) -> bool:
    # A page that is not there is no order that is not there: the base URL may be wrong.
    known = answer.error is not None and answer.error.name == GONE
    return answer.status == _NOT_FOUND and known


def _same(answer: Answer, order_id: str) -> Order:
    order = order_of(answer.read(OrderBody))
    if order.id != order_id:
        raise answer.unavailable("another order")
    return order
