"""Every write that concerns a purchase or a plan, as a value."""

import msgspec

from orchestrion.core.ids import AccountId, PurchaseId
from orchestrion.core.instants import Instant
from orchestrion.core.payment import OpenedOrder


class OpenPurchase(msgspec.Struct, frozen=True, kw_only=True):
    """Begin to buy a plan; the order does not exist yet."""

    account_id: AccountId
    purchase_id: PurchaseId
    plan_id: str


class RecordOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Note the order a human is to approve."""

    account_id: AccountId
    purchase_id: PurchaseId
    order: OpenedOrder


class BeginCapture(msgspec.Struct, frozen=True, kw_only=True):
    """Note that the money is about to be taken, by the capture that was the present one before."""

    account_id: AccountId
    purchase_id: PurchaseId
    capture: int


class UndoCapture(msgspec.Struct, frozen=True, kw_only=True):
    """Note that a capture took nothing, and that another may."""

    account_id: AccountId
    purchase_id: PurchaseId
    capture: int


class FailCapture(msgspec.Struct, frozen=True, kw_only=True):
    """Note that a capture was refused."""

    account_id: AccountId
    purchase_id: PurchaseId
    capture: int


class ConfirmPurchase(msgspec.Struct, frozen=True, kw_only=True):
    """Note that the money is there, and change the plan."""

    account_id: AccountId
    purchase_id: PurchaseId
    capture_id: str


class ExpirePurchase(msgspec.Struct, frozen=True, kw_only=True):
    """Give up a purchase whose time is over."""

    account_id: AccountId
    purchase_id: PurchaseId


class GiveUpPurchase(msgspec.Struct, frozen=True, kw_only=True):
    """Give up a purchase that it seems nobody can pay, unless its money is being taken."""

    account_id: AccountId
    purchase_id: PurchaseId


class VoidPurchase(msgspec.Struct, frozen=True, kw_only=True):
    """Give up a purchase that surely nobody can pay: its order was voided, or never was."""

    account_id: AccountId
    purchase_id: PurchaseId


class SetPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Give an account a plan without payment, as an operator wills; None: without an end."""

    account_id: AccountId
    plan_id: str
    expires_at: Instant | None


OnPurchase = (
    RecordOrder
    | BeginCapture
    | UndoCapture
    | FailCapture
    | ConfirmPurchase
    | ExpirePurchase
    | GiveUpPurchase
    | VoidPurchase
)
OfPlan = OpenPurchase | OnPurchase | SetPlan
