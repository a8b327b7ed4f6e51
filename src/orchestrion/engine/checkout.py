"""Buying a plan: commands and calls to whoever takes the money, in turns, never both at once.

Each command leaves in the database where to go on, so whatever breaks between two of them is made
up for by the next verify or by the job; calls that may be repeated carry one name for all repeats.
More than 300 lines: what each answer leads to is read against all the others.
"""

from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import assert_never

import msgspec
from msgspec.structs import replace

from orchestrion.core import payment_refusals as refusals
from orchestrion.core import purchase_lifecycle as lifecycle
from orchestrion.core import purchasing
from orchestrion.core.faults import Fault, PaymentsUnavailable
from orchestrion.core.ids import AccountId, PurchaseId
from orchestrion.core.instants import Instant
from orchestrion.core.outcomes import PurchaseOutcome, Rejection, Situation
from orchestrion.core.payment import (
    AlreadyCaptured,
    CaptureAnswer,
    Captured,
    Declined,
    InProgress,
    Money,
    NewOrder,
    NotApproved,
    OpenedOrder,
    Order,
    OrderStatus,
    money,
)
from orchestrion.core.plans import FREE, PLAN_IDS, Catalogue
from orchestrion.core.purchase import CONFIRMED, EXPIRED, FAILED, OPEN, Purchase
from orchestrion.core.purchase_commands import (
    BeginCapture,
    ConfirmPurchase,
    ExpirePurchase,
    FailCapture,
    GiveUpPurchase,
    OfPlan,
    OpenPurchase,
    RecordOrder,
    UndoCapture,
    VoidPurchase,
)
from orchestrion.engine.joining import Joining
from orchestrion.engine.mint import Mint
from orchestrion.engine.ports import Clock, Observer, Payments, Reader
from orchestrion.engine.writer import Writer

Answer = PurchaseOutcome | Rejection


class Landing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a human goes after approving, and after not doing so."""

    return_url: str
    cancel_url: str


class Till(msgspec.Struct, frozen=True, kw_only=True):
    """What selling takes; `payments` is None where they are not configured."""

    writer: Writer
    reader: Reader
    payments: Payments | None
    catalogue: Catalogue
    clock: Clock
    mint: Mint
    landing: Landing
    observer: Observer


class WrongMoney(Exception):
    """Money was taken that does not pay for the purchase: an operator must look at it."""


class PlanWithdrawn(Exception):
    """Money was taken for a plan that left the catalogue: an operator must look at it."""


class Checkout:
    """Starts purchases and settles them."""

    def __init__(self, till: Till) -> None:
        self._till = till
        # By account, purchase, and whether the account itself asks.
        self._settling = Joining[tuple[AccountId, PurchaseId, bool], Answer]("settling")

    async def start(self, account_id: AccountId, plan_id: str) -> Answer:
        """Open a purchase that a human can approve.

        Raises PaymentsUnavailable, and what the writer raises.
        """
        # The plan is checked before the configuration (decisions §9).
        if plan_id not in PLAN_IDS or plan_id == FREE:
            return purchasing.unknown_plan(self._now)
        payments = self._till.payments
        if payments is None:
            return refusals.payments_off(self._now)
        opened = await self._submit(
            OpenPurchase(
                account_id=account_id, purchase_id=self._till.mint.purchase_id(), plan_id=plan_id
            )
        )
        if isinstance(opened, Rejection):
            return opened
        order = await self._ordered(payments, opened.purchase)
        return await self._submit(
            RecordOrder(account_id=account_id, purchase_id=opened.purchase.id, order=order)
        )

    async def verify(self, account_id: AccountId, purchase_id: PurchaseId) -> Answer:
        """Settle an account's purchase, if it can be; whatever is said twice happens once.

        Raises PaymentsUnavailable, and what reader and writer raise.
        """
        return await self._joined(
            (account_id, purchase_id, True), lambda: self._verified(account_id, purchase_id)
        )

    async def settle(self, purchase: Purchase) -> Answer:
        """Bring a purchase as far as it goes though nobody asks; raises as `verify` does.

        What was declined is not tried again: its account was told to start another checkout.
        """
        key = (purchase.account_id, purchase.id, False)
        return await self._joined(key, lambda: self._settled(purchase, asked=False))

    async def _joined(
        self,
        key: tuple[AccountId, PurchaseId, bool],
        begin: Callable[[], Coroutine[object, object, Answer]],
    ) -> Answer:
        answer, first = await self._settling.run(key, begin)
        if first or isinstance(answer, Rejection):
            return answer
        # One activates; whoever joined is told that it was done.
        return replace(answer, activated=False)

    async def _verified(self, account_id: AccountId, purchase_id: PurchaseId) -> Answer:
        purchase = await self._till.reader.purchase(account_id, purchase_id)
        if purchase is None:
            return purchasing.unknown_purchase(self._now)
        return await self._settled(purchase, asked=True)

    async def _settled(self, purchase: Purchase, *, asked: bool) -> Answer:
        if purchase.stage is CONFIRMED:
            return PurchaseOutcome(purchase=purchase)
        if purchase.order_id is None:
            return await self._unpaid(purchase)
        payments = self._till.payments
        if payments is None:
            return refusals.payments_off(self._now)
        # Read first: it may have been captured by whoever did not live to note it.
        order = await payments.order(purchase.order_id)
        if order is None:
            return await self._gone(purchase)
        if order.status is OrderStatus.VOIDED:
            return await self._given_up(_void(purchase))
        if order.status is OrderStatus.COMPLETED:
            return await self._paid(purchase, order)
        if purchase.stage is FAILED and not asked:
            return refusals.declined(self._now)
        # What became of a capture that was begun only its repeat can tell.
        if order.status is OrderStatus.APPROVED or purchase.capture_begun_at is not None:
            return await self._capture(payments, purchase)
        return await self._unpaid(purchase)

    async def _ordered(self, payments: Payments, purchase: Purchase) -> OpenedOrder:
        try:
            return await payments.create_order(self._order_for(purchase))
        except PaymentsUnavailable:
            # Whatever became of the order, nobody learns its address: the next may begin at once.
            with suppress(Fault):
                await self._submit(_void(purchase))
            raise

    async def _capture(self, payments: Payments, purchase: Purchase) -> Answer:
        begun = await self._submit(
            BeginCapture(
                account_id=purchase.account_id, purchase_id=purchase.id, capture=purchase.captures
            )
        )
        if isinstance(begun, Rejection):
            return await self._not_begun(purchase, begun)
        if begun.purchase.stage is not OPEN:
            return begun
        purchase = begun.purchase
        assert purchase.order_id is not None, "what is open has an order"
        answer = await payments.capture(purchase.order_id, purchase.capture_request)
        if not isinstance(answer, AlreadyCaptured):
            return await self._answered(purchase, answer)
        order = await payments.order(purchase.order_id)
        if order is None:
            message = "an order that was captured is gone"
            raise PaymentsUnavailable(message)
        return await self._paid(purchase, order)

    async def _not_begun(self, purchase: Purchase, refused: Rejection) -> Answer:
        if refused.situation is Situation.PLAN_WITHDRAWN:
            # Else it would keep its account from buying what is for sale.
            await self._submit(_give_up(purchase))
        return refused

    async def _answered(self, purchase: Purchase, answer: CaptureAnswer) -> Answer:
        match answer:
            case Captured(order=order):
                return await self._paid(purchase, order)
            case NotApproved():
                undone = await self._submit(
                    UndoCapture(
                        account_id=purchase.account_id,
                        purchase_id=purchase.id,
                        capture=purchase.captures,
                    )
                )
                return (
                    undone if isinstance(undone, Rejection) else await self._unpaid(undone.purchase)
                )
            case Declined():
                return await self._declined(purchase)
            case InProgress() | AlreadyCaptured():
                return await self._under_way(purchase)
            case _:
                assert_never(answer)

    async def _paid(self, purchase: Purchase, order: Order) -> Answer:
        received = money(purchase, order)
        match received:
            case Money.RECEIVED:
                return await self._confirmed(purchase, order.captures[0].id)
            case Money.PENDING:
                return refusals.on_its_way(self._now)
            case Money.REFUSED:
                return await self._declined(purchase)
            case Money.WRONG:
                return await self._declined(purchase, wrong_money=True)
            case Money.NONE:
                # Not settled either way: what was begun stays begun.
                message = "an order that was captured names no capture"
                raise PaymentsUnavailable(message)
            case _:
                assert_never(received)

    async def _confirmed(self, purchase: Purchase, capture_id: str) -> Answer:
        confirmed = await self._submit(
            ConfirmPurchase(
                account_id=purchase.account_id, purchase_id=purchase.id, capture_id=capture_id
            )
        )
        activated = isinstance(confirmed, PurchaseOutcome) and confirmed.activated
        if activated and not purchasing.for_sale(purchase.plan_id, self._till.catalogue):
            self._till.observer.fault("payment_for_no_plan", "", PlanWithdrawn(purchase.id))
        return confirmed

    async def _declined(self, purchase: Purchase, *, wrong_money: bool = False) -> Answer:
        failed = await self._submit(
            FailCapture(
                account_id=purchase.account_id, purchase_id=purchase.id, capture=purchase.captures
            )
        )
        if isinstance(failed, Rejection) or failed.purchase.stage is CONFIRMED:
            return failed
        if wrong_money:
            return self._uncounted(failed)
        # Another capture was begun meanwhile: it is not known whether that is declined.
        if failed.purchase.capture_begun_at is not None:
            return refusals.under_way(self._now)
        return refusals.declined(self._now)

    def _uncounted(self, failed: PurchaseOutcome) -> Answer:
        if failed.changed:
            self._till.observer.fault("payment_does_not_count", "", WrongMoney(failed.purchase.id))
        return refusals.uncounted(self._now)

    async def _under_way(self, purchase: Purchase) -> Answer:
        again = await self._till.reader.purchase(purchase.account_id, purchase.id)
        if again is not None and again.stage is CONFIRMED:
            return PurchaseOutcome(purchase=again)
        return refusals.under_way(self._now)

    async def _unpaid(self, purchase: Purchase) -> Answer:
        now = self._now
        if purchase.stage is CONFIRMED:
            return PurchaseOutcome(purchase=purchase)
        if purchase.stage is EXPIRED:
            return lifecycle.ran_out(now)
        newest = await self._till.reader.newest_purchase(purchase.account_id)
        replaced = newest is not None and newest.id != purchase.id
        if not (replaced or purchase.overdue(now)):
            return lifecycle.not_approved(now)
        return await self._given_up(
            ExpirePurchase(account_id=purchase.account_id, purchase_id=purchase.id)
        )

    async def _gone(self, purchase: Purchase) -> Answer:
        idle = purchase.stage is OPEN and purchase.capture_begun_at is None
        if idle and purchase.unseen(self._now):
            return lifecycle.not_approved(self._now)
        ended = await self._submit(_give_up(purchase))
        if isinstance(ended, Rejection):
            # Money may be moved by a capture of an order that is not shown: not settled either way.
            message = "an order is gone while its capture is under way"
            raise PaymentsUnavailable(message)
        return ended if ended.purchase.stage is CONFIRMED else lifecycle.ran_out(self._now)

    async def _given_up(self, command: ExpirePurchase | VoidPurchase) -> Answer:
        ended = await self._submit(command)
        if isinstance(ended, Rejection) or ended.purchase.stage is CONFIRMED:
            return ended
        return lifecycle.ran_out(self._now)

    async def _submit(self, command: OfPlan) -> Answer:
        outcome = await self._till.writer.submit(command)
        assert isinstance(outcome, PurchaseOutcome | Rejection), "that is what these come to"
        return outcome

    def _order_for(self, purchase: Purchase) -> NewOrder:
        return NewOrder(
            purchase_id=purchase.id,
            plan_name=self._till.catalogue.plans[purchase.plan_id].name,
            amount=purchase.price_usd,
            return_url=self._till.landing.return_url,
            cancel_url=self._till.landing.cancel_url,
        )

    @property
    def _now(self) -> Instant:
        return self._till.clock.now()


def _give_up(purchase: Purchase) -> GiveUpPurchase:
    return GiveUpPurchase(account_id=purchase.account_id, purchase_id=purchase.id)


def _void(purchase: Purchase) -> VoidPurchase:
    return VoidPurchase(account_id=purchase.account_id, purchase_id=purchase.id)
