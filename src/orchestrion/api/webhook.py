"""Takes events of PayPal, so that a payment is settled sooner; nothing depends on them."""

from typing import Final

from orchestrion.api.http import Request, Response
from orchestrion.api.respond import HEADERS, Responder
from orchestrion.core.errors import ErrorCode
from orchestrion.core.faults import PaymentsBusy
from orchestrion.core.limits import PAYMENTS_WAIT_SECONDS
from orchestrion.core.outcomes import Rejection, Situation
from orchestrion.engine.checkout import Checkout
from orchestrion.engine.ports import Payments, Reader

NOT_TAKEN: Final = "This server takes no events."
NOT_GENUINE: Final = "This is no event of PayPal about an order."
_TAKEN: Final = b'{"status":"ok"}'
NO_EVENTS: Final = Rejection(
    code=ErrorCode.INVALID_REQUEST,
    status=404,
    message=NOT_TAKEN,
    situation=Situation.UNKNOWN_ROUTE,
)
_NOT_GENUINE: Final = Rejection(code=ErrorCode.INVALID_REQUEST, message=NOT_GENUINE)
_NO_PLACE: Final = Rejection(
    code=ErrorCode.SERVER_ERROR,
    status=503,
    wait_seconds=PAYMENTS_WAIT_SECONDS,
    message="Too many events are being verified: send this again after the wait.",
)


class WebhookHandlers:
    """Handler for events; `payments` is None where none are taken."""

    def __init__(
        self, payments: Payments | None, reader: Reader, checkout: Checkout, responder: Responder
    ) -> None:
        self._payments = payments
        self._reader = reader
        self._checkout = checkout
        self._responder = responder

    async def receive_payment_event(self, request: Request) -> Response:
        """POST /billing/paypal. What was asked to be settled may be refused: then it is not yet.

        A fault is answered 503, and PayPal sends the event again. So it is where too many come at
        a time, which is no fault: anybody can send them.
        """
        if self._payments is None:
            return self._responder.refused(NO_EVENTS, request)
        request.repeatable = True
        try:
            order_id = await self._payments.event(request.headers, request.body)
        except PaymentsBusy:
            return self._responder.refused(_NO_PLACE, request)
        if order_id is None:
            return self._responder.refused(_NOT_GENUINE, request)
        purchase = await self._reader.purchase_of_order(order_id)
        # Other programs may use the same PayPal account.
        if purchase is not None:
            await self._checkout.settle(purchase)
        return Response(status=200, body=_TAKEN, headers=HEADERS)
