"""A service that sells plans through the pretend PayPal, and an account that buys."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec.structs import replace

from orchestrion.core.plans import HOSTED
from orchestrion.payments.calls import CallLimits, CallRecord
from orchestrion.payments.paypal import PayPal
from orchestrion.service import ServiceOptions
from tests.databases import Database
from tests.harness import running
from tests.http.callers import Caller, Json, Response, ok, stranger
from tests.pretend_paypal import PretendPayPal

SITE = "https://tasks.example.com"
# Longer than an answer takes on a busy machine; only what is held is waited for so long.
IMPATIENT = CallLimits(read_seconds=1.0, total_seconds=1.0)
OPTIONS = ServiceOptions(catalogue=HOSTED, landing_url=SITE, payment_events=True)


class Buyer(Caller):
    """A caller that buys."""

    def __init__(self, caller: Caller, pretend: PretendPayPal) -> None:
        super().__init__(caller.service, caller.account, caller.client)
        self.pretend = pretend

    async def start(self, plan_id: str = "pro") -> Response:
        """POST /v1/billing/checkout."""
        return await self.send("POST", "/v1/billing/checkout", {"planId": plan_id})

    async def verify(self, purchase_id: str) -> Response:
        """POST /v1/billing/verify."""
        return await self.send("POST", "/v1/billing/verify", {"purchaseId": purchase_id})

    async def opened(self, plan_id: str = "pro") -> Json:
        """Start a checkout that must succeed."""
        return ok(await self.start(plan_id), 201)

    async def approved(self, plan_id: str = "pro") -> Json:
        """Start a checkout and have a human approve it."""
        purchase = await self.opened(plan_id)
        self.pretend.change(purchase["orderId"], "approve")
        return purchase

    async def bought(self, plan_id: str = "pro") -> Json:
        """Buy a plan."""
        return ok(await self.verify((await self.approved(plan_id))["purchaseId"]))

    async def status(self) -> Json:
        """GET /v1/billing/status."""
        return ok(await self.read("/v1/billing/status"))

    async def plan(self) -> str:
        """Name the plan in force."""
        return str((await self.status())["plan"]["id"])

    async def another(self) -> "Buyer":
        """Register another account."""
        return Buyer(await stranger(self.service), self.pretend)

    def captured(self, purchase: Json) -> int:
        """Count how often money was moved for a purchase."""
        return self.pretend.captures().get(purchase["purchaseId"], 0)

    def pass_time(self, seconds: float) -> None:
        """Let time pass here and at PayPal."""
        self.service.clock.advance(seconds)
        self.pretend.tell("advance", {"seconds": seconds})


@asynccontextmanager
async def selling(
    database: Database,
    pretend: PretendPayPal,
    options: ServiceOptions = OPTIONS,
    limits: CallLimits = IMPATIENT,
) -> AsyncIterator[Buyer]:
    """Sell plans until the block ends."""
    calls: list[CallRecord] = []
    paypal = PayPal(replace(pretend.options, limits=limits), database.clock, calls.append)
    try:
        async with running(database, options, paypal) as harness:
            yield Buyer(Caller(harness, await harness.account()), pretend)
    finally:
        await paypal.close()
