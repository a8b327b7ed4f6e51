"""Keys, plans and payments, as data and as requests."""

from datetime import datetime

import msgspec

from orchestrion.client.call import Call, Repeat
from orchestrion.client.contract import NO_CONTRACT, AgentContract
from orchestrion.client.payload import encoded
from orchestrion.client.secret import Discreet


class _Answer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    contract: AgentContract = msgspec.field(default=NO_CONTRACT, name="agent_contract")


class RegisteredKey(Discreet, _Answer, frozen=True, kw_only=True, rename="camel"):
    """A new account and its key, which is shown this once."""

    api_key: str
    account_id: str


class Plan(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A plan of the catalogue. Prices in US dollars for 30 days."""

    id: str
    name: str = ""
    price_usd: float = 0
    max_workers: int = 0
    max_tasks_per_month: int = 0
    max_claims_per_hour: int = 0
    max_creates_per_hour: int = 0
    retention_days: int = 0
    purchasable: bool = False


class PlanStatus(_Answer, frozen=True, kw_only=True, rename="camel"):
    """The account's plan and what is used of it."""

    plan: Plan
    plan_expires_at: datetime | None = None
    tasks_created_this_cycle: int = 0
    cycle_started_at: datetime | None = None


class Checkout(_Answer, frozen=True, kw_only=True, rename="camel"):
    """A purchase to approve: show `checkout_url` to a human, then verify `purchase_id`."""

    purchase_id: str
    checkout_url: str
    plan_id: str = ""
    plan_name: str = ""
    price_usd: float = 0
    order_id: str = ""
    checkout_expires_at: datetime | None = None


class Verification(_Answer, frozen=True, kw_only=True, rename="camel"):
    """A purchase that is paid: `outcome` is activated or already_confirmed."""

    outcome: str
    purchase_id: str
    plan_id: str = ""
    message: str = ""


class _Plans(msgspec.Struct, frozen=True):
    plans: list[Plan]


def register(email: str | None) -> Call[RegisteredKey]:
    """Make an account and its key.

    A repeat would make another account and count against the limit of registrations: it goes
    out only where the first surely took no effect.
    """
    return Call(
        method="POST",
        path="/v1/keys/register",
        body=None if email is None else encoded({"email": email}),
        repeat=Repeat.UNSENT,
        decode=msgspec.json.Decoder(RegisteredKey).decode,
    )


def plan_status() -> Call[PlanStatus]:
    """Read the account's plan."""
    return Call(
        method="GET", path="/v1/billing/status", decode=msgspec.json.Decoder(PlanStatus).decode
    )


def plans() -> Call[list[Plan]]:
    """Read the catalogue."""
    return Call(method="GET", path="/v1/billing/plans", decode=_plans)


def checkout(plan_id: str) -> Call[Checkout]:
    """Start to buy a plan. The account has one pending checkout, so a repeat makes no second."""
    return Call(
        method="POST",
        path="/v1/billing/checkout",
        body=encoded({"planId": plan_id}),
        decode=msgspec.json.Decoder(Checkout).decode,
    )


def verify(purchase_id: str) -> Call[Verification]:
    """Take the money of an approved purchase, once however often it is sent."""
    return Call(
        method="POST",
        path="/v1/billing/verify",
        body=encoded({"purchaseId": purchase_id}),
        decode=msgspec.json.Decoder(Verification).decode,
    )


def _plans(body: bytes) -> list[Plan]:
    return msgspec.json.decode(body, type=_Plans).plans
