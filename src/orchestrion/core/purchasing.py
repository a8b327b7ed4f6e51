"""From a command on a purchase or a plan, and the rows, to an outcome."""

from decimal import Decimal
from typing import assert_never

from msgspec.structs import replace

from orchestrion.core import purchase_lifecycle as lifecycle
from orchestrion.core import renewal
from orchestrion.core.errors import ErrorCode
from orchestrion.core.instants import SECOND, Instant
from orchestrion.core.limits import CHECKOUT_SECONDS
from orchestrion.core.outcomes import Outcome, PlanSet, PurchaseOutcome, Rejection, Situation
from orchestrion.core.plans import Catalogue
from orchestrion.core.purchase import CONFIRMED, STARTED, Purchase
from orchestrion.core.purchase_commands import (
    BeginCapture,
    ConfirmPurchase,
    ExpirePurchase,
    FailCapture,
    GiveUpPurchase,
    OfPlan,
    OnPurchase,
    OpenPurchase,
    RecordOrder,
    SetPlan,
    UndoCapture,
    VoidPurchase,
)
from orchestrion.core.renewal import Payment
from orchestrion.core.view import View

UNKNOWN_PURCHASE = "No purchase with this id belongs to your account."
UNKNOWN_PLAN = "'planId' must name a plan that is purchasable by GET /v1/billing/plans."
ENDLESS = "Your account has this plan without an end: there is nothing to pay for."
WITHDRAWN = "The plan of this checkout is no longer for sale; no money was taken."
CENT = Decimal("0.01")


def decide(command: OfPlan, catalogue: Catalogue, view: View) -> Outcome:
    """Decide one command; the account's row is locked, and with it all its purchases."""
    match command:
        case OpenPurchase():
            return _open(command, catalogue, view)
        case SetPlan():
            return _set_plan(command, catalogue, view)
        case _:
            return _on_purchase(command, catalogue, view)


def for_sale(plan_id: str, catalogue: Catalogue) -> bool:
    """Tell whether a plan has a price."""
    plan = catalogue.plans.get(plan_id)
    return plan is not None and plan.price_usd > 0


def unknown_plan(now: Instant) -> Rejection:
    """Refuse a plan that is not for sale."""
    return Rejection(
        code=ErrorCode.INVALID_REQUEST,
        message=UNKNOWN_PLAN,
        status=400,
        now=now,
        situation=Situation.UNKNOWN_PLAN,
    )


def withdrawn(now: Instant) -> Rejection:
    """Refuse to take money for a plan that is not for sale any more."""
    return Rejection(
        code=ErrorCode.PAYMENT_FAILED,
        message=WITHDRAWN,
        status=410,
        now=now,
        situation=Situation.PLAN_WITHDRAWN,
    )


def unknown_purchase(now: Instant) -> Rejection:
    """Refuse a purchase that is not the account's."""
    return Rejection(
        code=ErrorCode.INVALID_REQUEST,
        message=UNKNOWN_PURCHASE,
        status=404,
        now=now,
        situation=Situation.UNKNOWN_PURCHASE,
    )


def _open(command: OpenPurchase, catalogue: Catalogue, view: View) -> Outcome:
    if not for_sale(command.plan_id, catalogue):
        return unknown_plan(view.now)
    if renewal.endless(view.accounts[command.account_id], command.plan_id):
        return replace(unknown_plan(view.now), message=ENDLESS)
    newest = view.purchases.newest(command.account_id)
    opened = lifecycle.open_checkout(_new(command, catalogue, view.now), newest, view.now)
    if isinstance(opened, Rejection):
        return opened
    view.purchases.insert(opened)
    if newest is not None:
        replaced = lifecycle.expire(newest, opened, view.now)
        if isinstance(replaced, Purchase) and replaced is not newest:
            view.purchases.put(replaced)
    return PurchaseOutcome(purchase=opened, changed=True)


def _new(command: OpenPurchase, catalogue: Catalogue, now: Instant) -> Purchase:
    return Purchase(
        account_id=command.account_id,
        id=command.purchase_id,
        plan_id=command.plan_id,
        price_usd=catalogue.plans[command.plan_id].price_usd.quantize(CENT),
        stage=STARTED,
        order_id=None,
        checkout_url=None,
        created_at=now,
        expires_at=Instant(now + CHECKOUT_SECONDS * SECOND),
        captures=1,
        capture_begun_at=None,
        capture_id=None,
        confirmed_at=None,
        updated_at=now,
    )


def _on_purchase(command: OnPurchase, catalogue: Catalogue, view: View) -> Outcome:
    purchase = view.purchases.get(command.account_id, command.purchase_id)
    if purchase is None:
        return unknown_purchase(view.now)
    changed = _changed(command, purchase, catalogue, view)
    if isinstance(changed, Rejection):
        return changed
    # A repeat gives the purchase as it is.
    if changed is purchase:
        return PurchaseOutcome(purchase=purchase)
    view.purchases.put(changed)
    if changed.stage is not CONFIRMED:
        return PurchaseOutcome(purchase=changed, changed=True)
    # Both rows change in this one transaction, or neither does.
    account = view.accounts[command.account_id]
    paid = Payment(plan_id=changed.plan_id, price_usd=changed.price_usd)
    view.put_account(renewal.activated(account, paid, catalogue, view.now))
    return PurchaseOutcome(purchase=changed, changed=True, activated=True)


def _changed(
    command: OnPurchase, purchase: Purchase, catalogue: Catalogue, view: View
) -> Purchase | Rejection:
    now, newest = view.now, view.purchases.newest(command.account_id)
    match command:
        case RecordOrder():
            return lifecycle.record_order(purchase, command.order, now)
        case BeginCapture():
            begun = lifecycle.begin_capture(purchase, newest, command.capture, now)
            # What is under way goes on: its money may have been taken.
            fresh = isinstance(begun, Purchase) and begun is not purchase
            sold = for_sale(purchase.plan_id, catalogue)
            return withdrawn(now) if fresh and not sold else begun
        case UndoCapture():
            return lifecycle.undo_capture(purchase, command.capture, now)
        case FailCapture():
            return lifecycle.fail_capture(purchase, command.capture, now)
        case ConfirmPurchase():
            return lifecycle.confirm(purchase, command.capture_id, now)
        case ExpirePurchase():
            return lifecycle.expire(purchase, newest, now)
        case GiveUpPurchase():
            return lifecycle.give_up(purchase, now)
        case VoidPurchase():
            return lifecycle.void(purchase, now)
        case _:
            assert_never(command)


def _set_plan(command: SetPlan, catalogue: Catalogue, view: View) -> Outcome:
    account = view.accounts.get(command.account_id)
    if account is None or command.plan_id not in catalogue.plans:
        return unknown_plan(view.now)
    changed = renewal.set_to(account, command.plan_id, command.expires_at, view.now)
    view.put_account(changed)
    return PlanSet(account=changed)
