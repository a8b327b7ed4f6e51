"""Plans, and what the account has used of its own."""

from orchestrion.api.http import Request, Response
from orchestrion.api.respond import HEADERS, Responder, encode, number
from orchestrion.core import contract, quota
from orchestrion.core.account import Account
from orchestrion.core.bodies import BillingStatusAnswer, PlanAnswer, PlansAnswer
from orchestrion.core.instants import format_instant
from orchestrion.core.plans import Catalogue
from orchestrion.core.purchasing import for_sale
from orchestrion.engine.ports import Clock, Reader


class BillingHandlers:
    """Handlers for plans and usage."""

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
            purchasable=self._responder.guide.sells_plans and for_sale(plan_id, self._catalogue),
        )
