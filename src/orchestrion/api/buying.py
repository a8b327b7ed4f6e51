"""Buying a plan: starts checkouts and verifies them; what comes of it is decided elsewhere."""

from orchestrion.api.decoding import decode
from orchestrion.api.http import Request, Response
from orchestrion.api.respond import HEADERS, Responder, encode, number
from orchestrion.core import contract
from orchestrion.core.bodies import CheckoutAnswer, CheckoutBody, VerifyAnswer, VerifyBody
from orchestrion.core.ids import PurchaseId, is_purchase_id
from orchestrion.core.instants import format_instant
from orchestrion.core.outcomes import PurchaseOutcome, Rejection
from orchestrion.core.plans import Catalogue
from orchestrion.core.purchase import Purchase
from orchestrion.core.purchasing import unknown_purchase
from orchestrion.engine.checkout import Checkout
from orchestrion.engine.ports import Clock

ACTIVATED = "The payment is made and the plan is in force."
ALREADY_CONFIRMED = "This payment was made before and its plan put into force then."


class BuyingHandlers:
    """Handlers for purchases."""

    def __init__(
        self, checkout: Checkout, responder: Responder, catalogue: Catalogue, clock: Clock
    ) -> None:
        self._checkout = checkout
        self._responder = responder
        self._catalogue = catalogue
        self._clock = clock

    async def start_checkout(self, request: Request) -> Response:
        """POST /v1/billing/checkout. The plan is checked before the configuration."""
        body, _ = decode(request.body, CheckoutBody)
        # Of two only one is ever captured, so a second cannot cost anything.
        request.repeatable = True
        outcome = await self._checkout.start(request.account_id, body.plan_id)
        if isinstance(outcome, Rejection):
            return self._responder.refused(outcome, request)
        name = self._catalogue.plans[outcome.purchase.plan_id].name
        answer = checkout_answer(outcome.purchase, name, request)
        return Response(status=201, body=encode(answer), headers=HEADERS)

    async def verify_payment(self, request: Request) -> Response:
        """POST /v1/billing/verify. Whatever is said twice happens once."""
        body, _ = decode(request.body, VerifyBody)
        request.repeatable = True
        if not is_purchase_id(body.purchase_id):
            return self._responder.refused(unknown_purchase(self._clock.now()), request)
        purchase_id = PurchaseId(body.purchase_id)
        outcome = await self._checkout.verify(request.account_id, purchase_id)
        if isinstance(outcome, Rejection):
            return self._responder.refused(outcome, request)
        return Response(status=200, body=encode(verify_answer(outcome, request)), headers=HEADERS)


def checkout_answer(purchase: Purchase, plan_name: str, request: Request) -> CheckoutAnswer:
    """Write a purchase that waits for a human."""
    assert purchase.order_id is not None, "what is open has an order"
    assert purchase.checkout_url is not None, "and an address"
    return CheckoutAnswer(
        purchase_id=purchase.id,
        order_id=purchase.order_id,
        checkout_url=purchase.checkout_url,
        plan_id=purchase.plan_id,
        plan_name=plan_name,
        price_usd=number(purchase.price_usd),
        checkout_expires_at=format_instant(purchase.expires_at),
        request_id=request.request_id,
        agent_contract=contract.CHECKOUT_STARTED,
    )


def verify_answer(outcome: PurchaseOutcome, request: Request) -> VerifyAnswer:
    """Write a purchase that is paid."""
    return VerifyAnswer(
        outcome="activated" if outcome.activated else "already_confirmed",
        purchase_id=outcome.purchase.id,
        plan_id=outcome.purchase.plan_id,
        message=ACTIVATED if outcome.activated else ALREADY_CONFIRMED,
        request_id=request.request_id,
        agent_contract=contract.PAID,
    )
