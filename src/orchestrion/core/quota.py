"""May this account create or claim now? Cycles, windows, quotas and the worker limit."""

import msgspec
from msgspec.structs import replace

from orchestrion.core.account import Account
from orchestrion.core.errors import ErrorCode
from orchestrion.core.instants import SECOND, Instant, seconds_until
from orchestrion.core.limits import CYCLE_SECONDS, MAX_WORKERS_WAIT_SECONDS_MAX, WINDOW_SECONDS
from orchestrion.core.outcomes import Rejection, Window, WorkersInUse
from orchestrion.core.plans import Catalogue, Plan

CYCLE = CYCLE_SECONDS * SECOND
WINDOW = WINDOW_SECONDS * SECOND


class Leases(msgspec.Struct, frozen=True, kw_only=True):
    """The account's live leases, and when the first of them ends if that is known."""

    live: int
    first_end: Instant | None


def rolled(account: Account, now: Instant) -> Account:
    """Start the cycle and the windows that have come since the account was last used."""
    if (
        now < account.cycle_started_at + CYCLE
        and now < account.creates_window_at + WINDOW
        and now < account.claims_window_at + WINDOW
    ):
        # Nearly always: every create and claim asks.
        return account
    cycles = max(0, now - account.cycle_started_at) // CYCLE
    if cycles:
        began = Instant(account.cycle_started_at + cycles * CYCLE)
        account = replace(account, cycle_started_at=began, tasks_in_cycle=0)
    if now >= account.creates_window_at + WINDOW:
        account = replace(account, creates_window_at=now, creates_in_window=0)
    if now >= account.claims_window_at + WINDOW:
        account = replace(account, claims_window_at=now, claims_in_window=0)
    return account


def creates(account: Account, plan: Plan, now: Instant) -> Window:
    """Say where the creates window of a rolled account stands."""
    return _window(
        "creates", account.creates_window_at, plan.creates_per_hour, account.creates_in_window, now
    )


def claims(account: Account, plan: Plan, now: Instant) -> Window:
    """Say where the claims window of a rolled account stands."""
    return _window(
        "claims", account.claims_window_at, plan.claims_per_hour, account.claims_in_window, now
    )


def may_create(account: Account, catalogue: Catalogue, now: Instant) -> Rejection | None:
    """Check window, then monthly quota, of a rolled account."""
    plan = catalogue.in_force(account, now)
    refused = _create_refused(account, plan, now)
    if refused is None:
        return None
    lapsed = catalogue.lapsed(account, now)
    if lapsed and _create_refused(account, lapsed, now) is None:
        return Rejection(code=ErrorCode.PLAN_EXPIRED, now=now, window=refused.window)
    return refused


def may_claim(
    account: Account, catalogue: Catalogue, leases: Leases, now: Instant
) -> Rejection | None:
    """Check window, then live leases, of a rolled account."""
    plan_id = catalogue.plan_id(account, now)
    refused = _claim_refused(account, catalogue.plans[plan_id], leases, now)
    if refused is None:
        return None
    lapsed = catalogue.lapsed(account, now)
    if lapsed and _claim_refused(account, lapsed, leases, now) is None:
        return Rejection(code=ErrorCode.PLAN_EXPIRED, now=now, window=refused.window)
    if refused.workers:
        return replace(refused, workers=replace(refused.workers, plan=plan_id))
    return refused


def created(account: Account) -> Account:
    """Count one task."""
    return replace(
        account,
        tasks_in_cycle=account.tasks_in_cycle + 1,
        creates_in_window=account.creates_in_window + 1,
    )


def claims_left(account: Account, catalogue: Catalogue, leases: Leases, now: Instant) -> int:
    """Say how many tasks in a row a rolled account could be handed now."""
    plan = catalogue.in_force(account, now)
    left = min(plan.claims_per_hour - account.claims_in_window, plan.max_workers - leases.live)
    return max(0, left)


def claimed(account: Account, count: int = 1) -> Account:
    """Count tasks handed out; an empty claim counts as a read instead (decisions §8)."""
    return replace(account, claims_in_window=account.claims_in_window + count)


def _create_refused(account: Account, plan: Plan, now: Instant) -> Rejection | None:
    if account.creates_in_window >= plan.creates_per_hour:
        return _rate_limited(creates(account, plan, now), now)
    if account.tasks_in_cycle >= plan.tasks_per_cycle:
        window = creates(account, plan, now)
        return Rejection(code=ErrorCode.QUOTA_EXCEEDED, now=now, window=window)
    return None


def _claim_refused(account: Account, plan: Plan, leases: Leases, now: Instant) -> Rejection | None:
    if account.claims_in_window >= plan.claims_per_hour:
        return _rate_limited(claims(account, plan, now), now)
    if leases.live < plan.max_workers:
        return None
    wait = MAX_WORKERS_WAIT_SECONDS_MAX
    if leases.first_end is not None:
        wait = min(wait, seconds_until(leases.first_end, now))
    return Rejection(
        code=ErrorCode.MAX_WORKERS_REACHED,
        now=now,
        wait_seconds=wait,
        window=claims(account, plan, now),
        workers=WorkersInUse(plan="", workers_in_use=leases.live, workers_limit=plan.max_workers),
    )


def _rate_limited(window: Window, now: Instant) -> Rejection:
    return Rejection(
        code=ErrorCode.RATE_LIMITED, now=now, wait_seconds=window.reset_seconds, window=window
    )


def _window(name: str, began: Instant, limit: int, used: int, now: Instant) -> Window:
    return Window(
        name=name,
        limit=limit,
        remaining=limit - used if used < limit else 0,
        reset_seconds=seconds_until(Instant(began + WINDOW), now),
    )
