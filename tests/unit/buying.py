"""Commands on purchases and plans, of one account unless another is named."""

from orchestrion.core.ids import AccountId, PurchaseId
from orchestrion.core.instants import Instant
from orchestrion.core.payment import OpenedOrder
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
from tests.factories import ACCOUNT_ID, a_purchase_id

FIRST, SECOND = a_purchase_id(1), a_purchase_id(2)


def opens(
    purchase_id: PurchaseId = FIRST, plan_id: str = "pro", account_id: AccountId = ACCOUNT_ID
) -> OpenPurchase:
    return OpenPurchase(account_id=account_id, purchase_id=purchase_id, plan_id=plan_id)


def records(purchase_id: PurchaseId = FIRST, account_id: AccountId = ACCOUNT_ID) -> RecordOrder:
    order = OpenedOrder(order_id=f"O-{account_id}-{purchase_id}", checkout_url="https://pay")
    return RecordOrder(account_id=account_id, purchase_id=purchase_id, order=order)


def begins(
    purchase_id: PurchaseId = FIRST, capture: int = 1, account_id: AccountId = ACCOUNT_ID
) -> BeginCapture:
    return BeginCapture(account_id=account_id, purchase_id=purchase_id, capture=capture)


def undoes(
    purchase_id: PurchaseId = FIRST, capture: int = 1, account_id: AccountId = ACCOUNT_ID
) -> UndoCapture:
    return UndoCapture(account_id=account_id, purchase_id=purchase_id, capture=capture)


def fails(
    purchase_id: PurchaseId = FIRST, capture: int = 1, account_id: AccountId = ACCOUNT_ID
) -> FailCapture:
    return FailCapture(account_id=account_id, purchase_id=purchase_id, capture=capture)


def confirms(
    purchase_id: PurchaseId = FIRST, capture_id: str = "3C67", account_id: AccountId = ACCOUNT_ID
) -> ConfirmPurchase:
    return ConfirmPurchase(account_id=account_id, purchase_id=purchase_id, capture_id=capture_id)


def expires(purchase_id: PurchaseId = FIRST, account_id: AccountId = ACCOUNT_ID) -> ExpirePurchase:
    return ExpirePurchase(account_id=account_id, purchase_id=purchase_id)


def gives_up(purchase_id: PurchaseId = FIRST, account_id: AccountId = ACCOUNT_ID) -> GiveUpPurchase:
    return GiveUpPurchase(account_id=account_id, purchase_id=purchase_id)


def voids(purchase_id: PurchaseId = FIRST, account_id: AccountId = ACCOUNT_ID) -> VoidPurchase:
    return VoidPurchase(account_id=account_id, purchase_id=purchase_id)


def sets(
    plan_id: str, expires_at: Instant | None = None, account_id: AccountId = ACCOUNT_ID
) -> SetPlan:
    return SetPlan(account_id=account_id, plan_id=plan_id, expires_at=expires_at)


ON_PURCHASE: tuple[OnPurchase, ...] = (
    *(records(), begins(), undoes(), fails()),
    *(confirms(), expires(), gives_up(), voids()),
)
OF_PLAN: tuple[OfPlan, ...] = (opens(), *ON_PURCHASE, sets("pro"))
