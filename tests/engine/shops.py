"""Buying on a real database from the pretend PayPal, which is a process of its own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from msgspec.structs import replace

from orchestrion.core.account import Account
from orchestrion.core.faults import PaymentsUnavailable
from orchestrion.core.ids import AccountId, PurchaseId
from orchestrion.core.outcomes import PurchaseOutcome, Rejection
from orchestrion.core.payment import CaptureAnswer
from orchestrion.core.plans import HOSTED, Catalogue
from orchestrion.core.purchase import Purchase
from orchestrion.engine.checkout import Answer, Checkout, Landing, Till
from orchestrion.engine.mint import Mint
from orchestrion.payments.calls import CallLimits
from orchestrion.payments.paypal import PayPal
from tests.databases import Database
from tests.engine.engines import PATIENCE_SECONDS, Engine, EngineOptions, running_engine
from tests.factories import ACCOUNT_ID, expect
from tests.pretend_paypal import PretendPayPal
from tests.unit.buying import begins

LANDING = Landing(
    return_url="https://tasks.example/billing/approved",
    cancel_url="https://tasks.example/billing/cancelled",
)
# Longer than an answer takes on a busy machine; only what is held is waited for so long.
IMPATIENT = CallLimits(read_seconds=2.0, total_seconds=2.0)


class Shop:
    """One process that sells: an engine, a client of PayPal, and the checkout between them."""

    def __init__(
        self, engine: Engine, paypal: PayPal, pretend: PretendPayPal, catalogue: Catalogue
    ) -> None:
        self.engine = engine
        self.paypal = paypal
        self.pretend = pretend
        self.clock = engine.clock
        self.till = Till(
            writer=engine.writer,
            reader=engine.reader,
            payments=paypal,
            catalogue=catalogue,
            clock=engine.clock,
            mint=Mint(engine.clock),
            landing=LANDING,
            observer=engine.observer,
        )
        self.checkout = Checkout(self.till)

    async def opened(self, plan_id: str = "pro", account_id: AccountId = ACCOUNT_ID) -> Purchase:
        """Start a checkout."""
        return expect(PurchaseOutcome, await self.checkout.start(account_id, plan_id)).purchase

    async def approved(self, plan_id: str = "pro", account_id: AccountId = ACCOUNT_ID) -> Purchase:
        """Start a checkout and have a human approve it."""
        purchase = await self.opened(plan_id, account_id)
        self.pretend.change(order_of(purchase), "approve")
        return purchase

    async def verify(self, purchase: Purchase) -> Answer:
        """Verify a purchase as its own account does."""
        return await self.checkout.verify(purchase.account_id, purchase.id)

    async def verified(self, purchase: Purchase) -> bool:
        """Verify with success; tells whether that activated the plan."""
        return expect(PurchaseOutcome, await self.verify(purchase)).activated

    async def refused(self, purchase: Purchase) -> Rejection:
        """Verify without success."""
        return expect(Rejection, await self.verify(purchase))

    async def unavailable(self, purchase: Purchase) -> None:
        """Verify while PayPal is in trouble."""
        try:
            await self.verify(purchase)
        except PaymentsUnavailable:
            return
        raise AssertionError(purchase)

    async def begun(self, purchase: Purchase, capture: int = 1) -> Purchase:
        """Come as far as a process that dies before it captures."""
        command = begins(purchase.id, capture, purchase.account_id)
        return expect(PurchaseOutcome, await self.engine.writer.submit(command)).purchase

    async def kept(self, purchase_id: PurchaseId, account_id: AccountId = ACCOUNT_ID) -> Purchase:
        """Read a purchase."""
        return expect(Purchase, await self.engine.reader.purchase(account_id, purchase_id))

    async def account(self, account_id: AccountId = ACCOUNT_ID) -> Account:
        """Read an account."""
        return expect(Account, await self.engine.reader.account(account_id))

    def overtaken_by(self, overtaking: Callable[[], Awaitable[None]]) -> Checkout:
        """Give a checkout to whose captures something comes first."""
        return Checkout(replace(self.till, payments=Overtaken(self.paypal, overtaking)))

    def pass_time(self, seconds: float) -> None:
        """Let time pass here and at PayPal."""
        self.clock.advance(seconds)
        self.pretend.tell("advance", {"seconds": seconds})

    def captured(self, purchase: Purchase) -> int:
        """Say how often money was moved for a purchase."""
        return self.pretend.captures()[purchase.id]

    async def all_verify(self, purchase: Purchase, count: int) -> list[Answer]:
        """Verify many times at once."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await asyncio.gather(*(self.verify(purchase) for _ in range(count)))


class Overtaken:
    """The client of PayPal, whose capture is overtaken by something before anybody reads on."""

    def __init__(self, paypal: PayPal, overtaking: Callable[[], Awaitable[None]]) -> None:
        self._paypal = paypal
        self._overtaking = overtaking
        self.create_order = paypal.create_order
        self.order = paypal.order
        self.event = paypal.event

    async def capture(self, order_id: str, request_id: str) -> CaptureAnswer:
        """Capture, and let the other thing happen first."""
        answer = await self._paypal.capture(order_id, request_id)
        await self._overtaking()
        return answer


def order_of(purchase: Purchase) -> str:
    """Give the order of a purchase that has one."""
    assert purchase.order_id is not None
    return purchase.order_id


@asynccontextmanager
async def selling(
    database: Database,
    pretend: PretendPayPal,
    limits: CallLimits | None = None,
    catalogue: Catalogue = HOSTED,
) -> AsyncIterator[Shop]:
    """Run a process that sells."""
    async with running_engine(database, EngineOptions(catalogue=catalogue)) as engine:
        paypal = PayPal(
            replace(pretend.options, limits=limits or CallLimits()),
            engine.clock,
            lambda _: None,
        )
        try:
            yield Shop(engine, paypal, pretend, catalogue)
        finally:
            await paypal.close()
