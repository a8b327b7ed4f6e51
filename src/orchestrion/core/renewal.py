"""What a payment makes of an account's plan: how long it holds, and whether a cycle begins."""

import math
from decimal import Decimal
from fractions import Fraction

import msgspec
from msgspec.structs import replace

from orchestrion.core.account import Account
from orchestrion.core.instants import DAY, SECOND, Instant
from orchestrion.core.limits import BILLING_SECONDS, PLAN_DAYS_AHEAD_MAX
from orchestrion.core.plans import FREE, Catalogue

BILLING_PERIOD = BILLING_SECONDS * SECOND


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """What was paid for."""

    plan_id: str
    price_usd: Decimal


def activated(account: Account, payment: Payment, catalogue: Catalogue, now: Instant) -> Account:
    """Give an account the plan that was paid for, 30 days of it and what is left of the present.

    The same plan is prolonged, also one that ran out. Another begins a cycle, and what was paid for
    the present one and is not used up counts by its price (decisions §9).
    """
    if endless(account, payment.plan_id):
        return account
    if account.plan == payment.plan_id and account.plan_expires_at is not None:
        since = Instant(max(now, account.plan_expires_at))
        return replace(account, plan_expires_at=_later(since, 0, now))
    credit = _credit(account, catalogue.plan_id(account, now), payment, catalogue, now)
    return replace(
        account,
        plan=payment.plan_id,
        plan_expires_at=_later(now, credit, now),
        cycle_started_at=now,
        tasks_in_cycle=0,
    )


def endless(account: Account, plan_id: str) -> bool:
    """Tell whether an account has a plan for good: an operator gave it without an end."""
    return account.plan == plan_id and account.plan_expires_at is None


def set_to(account: Account, plan_id: str, expires_at: Instant | None, now: Instant) -> Account:
    """Give an account a plan as an operator wills; another plan begins a cycle."""
    changed = replace(account, plan=plan_id, plan_expires_at=expires_at)
    if plan_id == account.plan:
        return changed
    return replace(changed, cycle_started_at=now, tasks_in_cycle=0)


def _credit(
    account: Account, present: str, payment: Payment, catalogue: Catalogue, now: Instant
) -> int:
    ends = account.plan_expires_at
    if present == FREE or ends is None:
        return 0
    left = Fraction(ends - now) * Fraction(catalogue.plans[present].price_usd)
    return math.floor(left / Fraction(payment.price_usd))


def _later(since: Instant, more: int, now: Instant) -> Instant:
    last = now + PLAN_DAYS_AHEAD_MAX * DAY
    # An operator may have set an end beyond the last: nothing shortens it.
    return Instant(max(since, min(since + more + BILLING_PERIOD, last)))
