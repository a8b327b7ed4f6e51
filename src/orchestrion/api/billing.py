"""Plans, the account's usage, and buying: payments are not configured in this version."""

from orchestrion.api.decoding import decode
from orchestrion.api.http import Request, Response
from orchestrion.api.respond import HEADERS, Responder, encode, number
from orchestrion.core import contract, quota
from orchestrion.core.account import Account
from orchestrion.core.bodies import (
    BillingStatusAnswer,
    CheckoutBody,
    PlanAnswer,
    PlansAnswer,
    VerifyBody,
)
from orchestrion.core.errors import ErrorCode
from orchestrion.core.instants import format_instant
from orchestrion.core.outcomes import Rejection, Situation
from orchestrion.core.plans import FREE, PLAN_IDS, Catalogue
from orchestrion.engine.ports import Clock, Reader

UNKNOWN_PLAN = "'planId' must be one of the plans that can be bought: basic, pro, agency."
PAYMENTS_OFF = "Payments are not configured on this server; plans cannot be bought here."
UNKNOWN_PURCHASE = "No purchase with this id belongs to your account."


class BillingHandlers:
    """Handlers for plans and purchases."""

    def __init__(
        self, reader: Reader, responder: Responder, catalogue: Catalogue, clock: Clock
    ) -> None:
        self._reader = reader
        self._responder = responder
        self._catalogue = catalogue
        self._clock = clock

    async def list_plans(self, _: Request) -> Response:
        """GET /v1/billing/plans."""
        plans = [self._plan(plan_id) for plan_id in self._catalogue.plans]
        body = encode(PlansAnswer(plans=plans, agent_contract=contract.PLANS))
        return Response(status=200, body=body, headers=HEADERS)

    async def check_billing_status(self, request: Request) -> Response:
        """GET /v1/billing/status."""
        account = await self._reader.account(request.account_id)
        assert account is not None, "a key belongs to an account"
        return Response(status=200, body=encode(self._status(account, request)), headers=HEADERS)

    async def start_checkout(self, request: Request) -> Response:
        """POST /v1/billing/checkout. The plan is checked before the configuration."""
        body, _ = decode(request.body, CheckoutBody)
        if body.plan_id not in PLAN_IDS or body.plan_id == FREE:
            rejection = Rejection(
                code=ErrorCode.INVALID_REQUEST,
                message=UNKNOWN_PLAN,
                situation=Situation.UNKNOWN_PLAN,
            )
        else:
            rejection = Rejection(
                code=ErrorCode.SERVER_ERROR,
                status=503,
                message=PAYMENTS_OFF,
                situation=Situation.PAYMENTS_OFF,
            )
        return self._responder.refused(rejection, request)

    async def verify_payment(self, request: Request) -> Response:
        """POST /v1/billing/verify. Without payments there is no purchase to verify."""
        decode(request.body, VerifyBody)
        rejection = Rejection(
            code=ErrorCode.INVALID_REQUEST,
            status=404,
            message=UNKNOWN_PURCHASE,
            situation=Situation.UNKNOWN_PURCHASE,
        )
        return self._responder.refused(rejection, request)

    def _status(self, account: Account, request: Request) -> BillingStatusAnswer:
        now = self._clock.now()
        account = quota.rolled(account, now)
        plan_id = self._catalogue.plan_id(account, now)
        plan = self._catalogue.plans[plan_id]
        expires_at = account.plan_expires_at
        guidance = contract.billing_status(
            guide=self._responder.guide,
            quota_left=plan.tasks_per_cycle - account.tasks_in_cycle,
            lapsed=account.plan if self._catalogue.lapsed(account, now) else "",
        )
        return BillingStatusAnswer(
            plan=self._plan(plan_id),
            plan_expires_at=None if expires_at is None else format_instant(expires_at),
            tasks_created_this_cycle=account.tasks_in_cycle,
            cycle_started_at=format_instant(account.cycle_started_at),
            request_id=request.request_id,
            agent_contract=guidance,
        )

    def _plan(self, plan_id: str) -> PlanAnswer:
        plan = self._catalogue.plans[plan_id]
        return PlanAnswer(
            id=plan_id,
            name=plan.name,
            price_usd=number(plan.price_usd),
            max_workers=plan.max_workers,
            max_tasks_per_month=plan.tasks_per_cycle,
            max_claims_per_hour=plan.claims_per_hour,
            max_creates_per_hour=plan.creates_per_hour,
            retention_days=plan.retention_days,
            purchasable=self._responder.guide.sells_plans and plan.price_usd > 0,
        )
