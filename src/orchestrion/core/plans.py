"""Plans and their limits, and the two catalogues that ship with the service."""

from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec.structs import replace

from orchestrion.core.account import Account
from orchestrion.core.instants import DAY, Instant
from orchestrion.core.limits import WAITERS_PER_ACCOUNT_MAX, WAITERS_PER_WORKER

PLAN_IDS = ("free", "basic", "pro", "agency")
FREE = "free"
PAID_READ_FACTOR = 10

Count = Annotated[int, msgspec.Meta(ge=1, le=10**12)]
Days = Annotated[int, msgspec.Meta(ge=1, le=3_650)]


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One plan; a cycle and a billing period are 30 days."""

    name: str
    price_usd: Decimal
    max_workers: Count
    tasks_per_cycle: Count
    claims_per_hour: Count
    creates_per_hour: Count
    retention_days: Days


class RequestLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits counted per process; the mutation and heartbeat limits follow from the plan."""

    reads_per_hour: Count = 3_000
    discovery_per_minute: Count = 60


class LeaseBounds(msgspec.Struct, frozen=True, kw_only=True):
    """Live leases nobody is refused for, and live leases beyond which everybody is."""

    fewest: int
    most: int


class Catalogue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The plans on offer. `limits` is None where only the exact limits apply."""

    plans: dict[str, Plan]
    limits: RequestLimits | None = None

    def plan_id(self, account: Account, now: Instant) -> str:
        """Name the plan in force: free once a paid plan has ended, or left the catalogue."""
        return self.plan_id_at(account.plan, account.plan_expires_at, now)

    def plan_id_at(self, plan: str, plan_expires_at: Instant | None, now: Instant) -> str:
        """Name the plan in force, from the two fields that decide it."""
        ended = plan_expires_at is not None and plan_expires_at <= now
        return FREE if ended or plan not in self.plans else plan

    def in_force(self, account: Account, now: Instant) -> Plan:
        """Give the limits that hold now."""
        return self.plans[self.plan_id_at(account.plan, account.plan_expires_at, now)]

    def lapsed(self, account: Account, now: Instant) -> Plan | None:
        """Give the paid plan that ran out, if one did."""
        ended = account.plan_expires_at is not None and account.plan_expires_at <= now
        return self.plans.get(account.plan) if ended and account.plan != FREE else None

    def retention_cutoff(self, account: Account, now: Instant) -> Instant:
        """Give the instant before which finished tasks may go.

        A plan that ran out keeps its retention 30 days longer (decisions §8).
        """
        plan = self.in_force(account, now)
        lapsed = self.lapsed(account, now)
        if lapsed and account.plan_expires_at and now < account.plan_expires_at + 30 * DAY:
            plan = max(plan, lapsed, key=lambda one: one.retention_days)
        return Instant(now - plan.retention_days * DAY)

    @property
    def lease_bounds(self) -> LeaseBounds:
        """The live leases that every plan allows, and that the largest plan allows."""
        workers = [plan.max_workers for plan in self.plans.values()]
        return LeaseBounds(fewest=min(workers), most=max(workers))


def mutations_per_hour(plan: Plan) -> int:
    """Bound complete, fail, cancel and requeue together (decisions §8)."""
    return max(600, 2 * plan.claims_per_hour)


def heartbeats_per_hour(plan: Plan) -> int:
    """Bound heartbeats (decisions §8)."""
    return max(1_800, 360 * plan.max_workers)


def reads_per_hour(limits: RequestLimits, plan_id: str) -> int:
    """Bound reads: paid plans get ten times as many (decisions §8)."""
    return limits.reads_per_hour * (1 if plan_id == FREE else PAID_READ_FACTOR)


def waiters_per_account(plan: Plan) -> int:
    """Bound the requests of an account that wait at a time in one process."""
    return min(WAITERS_PER_ACCOUNT_MAX, WAITERS_PER_WORKER * plan.max_workers)


_HOSTED_FREE = Plan(
    name="Free",
    price_usd=Decimal(0),
    max_workers=2,
    tasks_per_cycle=200,
    claims_per_hour=120,
    creates_per_hour=120,
    retention_days=7,
)

HOSTED = Catalogue(
    limits=RequestLimits(),
    plans={
        "free": _HOSTED_FREE,
        "basic": replace(
            _HOSTED_FREE,
            name="Basic",
            price_usd=Decimal("9.99"),
            max_workers=10,
            tasks_per_cycle=5_000,
            claims_per_hour=1_200,
            creates_per_hour=500,
            retention_days=30,
        ),
        "pro": replace(
            _HOSTED_FREE,
            name="Pro",
            price_usd=Decimal("24.99"),
            max_workers=25,
            tasks_per_cycle=25_000,
            claims_per_hour=4_000,
            creates_per_hour=2_000,
            retention_days=60,
        ),
        "agency": replace(
            _HOSTED_FREE,
            name="Agency",
            price_usd=Decimal("59.99"),
            max_workers=50,
            tasks_per_cycle=150_000,
            claims_per_hour=15_000,
            creates_per_hour=7_500,
            retention_days=90,
        ),
    },
)

SELF_HOSTED = Catalogue(
    plans={
        "free": Plan(
            name="Self-hosted",
            price_usd=Decimal(0),
            max_workers=100_000,
            tasks_per_cycle=10**9,
            claims_per_hour=10**9,
            creates_per_hour=10**9,
            retention_days=30,
        )
    }
)
