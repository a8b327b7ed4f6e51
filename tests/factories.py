"""Values for tests: a task in any state, an account, and the rows that a batch would see."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import TypeVar

from msgspec.structs import replace

from orchestrion.core.account import Account, new_account
from orchestrion.core.commands import Command
from orchestrion.core.ids import AccountId, LeaseToken, PurchaseId, TaskId, ulid
from orchestrion.core.instants import DAY, HOUR, SECOND, Instant
from orchestrion.core.needs import needs_of
from orchestrion.core.plans import Catalogue, Plan
from orchestrion.core.purchase import Purchase, Stage
from orchestrion.core.task import Status, Task
from orchestrion.core.view import IdempotencyRow, Needs, View

NOW = Instant(1_795_334_785_123)  # 2026-11-22T08:06:25.123Z
ACCOUNT_ID = AccountId("acct_" + ulid(NOW, 1))
OTHER_ACCOUNT_ID = AccountId("acct_" + ulid(NOW, 2))
TOKEN = LeaseToken("lse_" + "0a" * 17)
OTHER_TOKEN = LeaseToken("lse_" + "0b" * 17)

Kind = TypeVar("Kind")

_PENDING = Task(
    account_id=ACCOUNT_ID,
    id=TaskId("tsk_" + ulid(NOW, 0)),
    type="report",
    payload='{"page":1}',
    status=Status.PENDING,
    priority=0,
    scheduled_at=None,
    attempt_count=0,
    max_attempts=3,
    lease_seconds=300,
    claimed_by=None,
    claimed_at=None,
    lease_expires_at=None,
    last_heartbeat_at=None,
    created_at=Instant(NOW - HOUR),
    updated_at=Instant(NOW - HOUR),
    completed_at=None,
    last_failed_at=None,
    last_failure_reason=None,
    result=None,
    output_id=None,
    lease_token=None,
    traceparent=None,
)
_HELD: Mapping[str, object] = MappingProxyType(
    {
        "attempt_count": 1,
        "claimed_by": "worker-7",
        "claimed_at": NOW - 60 * SECOND,
        "updated_at": NOW - 60 * SECOND,
        "lease_token": TOKEN,
    }
)
_BY_STATUS: Mapping[Status, Mapping[str, object]] = MappingProxyType(
    {
        Status.PENDING: {},
        Status.CLAIMED: {**_HELD, "lease_expires_at": NOW + 240 * SECOND},
        Status.COMPLETED: {
            **_HELD,
            "completed_at": NOW - 10 * SECOND,
            "updated_at": NOW - 10 * SECOND,
        },
        Status.DEAD_LETTER: {
            "attempt_count": 3,
            "last_failed_at": NOW - 10 * SECOND,
            "last_failure_reason": "no paper",
            "updated_at": NOW - 10 * SECOND,
            "lease_token": TOKEN,
        },
        Status.CANCELLED: {"updated_at": NOW - 10 * SECOND},
    }
)


def later(seconds: float) -> Instant:
    return Instant(NOW + round(seconds * SECOND))


def ago(seconds: float) -> Instant:
    return later(-seconds)


def a_task_id(number: int) -> TaskId:
    return TaskId("tsk_" + ulid(NOW, number))


def a_task(status: Status = Status.PENDING, **changes: object) -> Task:
    return replace(_PENDING, **{"status": status, **_BY_STATUS[status], **changes})


def an_account(plan: str = "free", **changes: object) -> Account:
    account = new_account(ACCOUNT_ID, None, Instant(NOW - DAY))
    return replace(account, plan=plan, **changes)


ACCOUNT = an_account()


def a_plan(**changes: object) -> Plan:
    plan = Plan(
        name="Free",
        price_usd=Decimal(0),
        max_workers=2,
        tasks_per_cycle=10,
        claims_per_hour=5,
        creates_per_hour=6,
        retention_days=7,
    )
    return replace(plan, **changes)


def a_purchase_id(number: int) -> PurchaseId:
    return PurchaseId("pur_" + ulid(NOW, number))


_STARTED = Purchase(
    account_id=ACCOUNT_ID,
    id=a_purchase_id(1),
    plan_id="pro",
    price_usd=Decimal("10.00"),
    stage=Stage.STARTED,
    order_id=None,
    checkout_url=None,
    created_at=NOW,
    expires_at=Instant(NOW + 3 * HOUR),
    captures=1,
    capture_begun_at=None,
    capture_id=None,
    confirmed_at=None,
    updated_at=NOW,
)
_ORDERED: Mapping[str, object] = MappingProxyType(
    {"order_id": "5O190127TN364715T", "checkout_url": "https://pay.example/5O190127TN364715T"}
)
_BY_STAGE: Mapping[Stage, Mapping[str, object]] = MappingProxyType(
    {
        Stage.STARTED: {},
        Stage.OPEN: _ORDERED,
        Stage.CONFIRMED: {**_ORDERED, "capture_id": "3C679366HH908993F", "confirmed_at": NOW},
        Stage.FAILED: {**_ORDERED, "captures": 2},
        Stage.EXPIRED: _ORDERED,
    }
)


def a_purchase(stage: Stage = Stage.OPEN, **changes: object) -> Purchase:
    return replace(_STARTED, **{"stage": stage, **_BY_STAGE[stage], **changes})


SMALL = Catalogue(
    plans={
        "free": a_plan(),
        "pro": a_plan(
            name="Pro",
            price_usd=Decimal(10),
            max_workers=4,
            tasks_per_cycle=20,
            claims_per_hour=8,
            creates_per_hour=9,
            retention_days=60,
        ),
    }
)


def a_view(
    *commands: Command,
    tasks: Iterable[Task] = (),
    accounts: Iterable[Account] = (ACCOUNT,),
    remembered: Iterable[IdempotencyRow] = (),
    purchases: Iterable[Purchase] = (),
    now: Instant = NOW,
) -> View:
    """Load what the commands need, and no row more."""
    needs = needs_of(commands)
    rows = {(task.account_id, task.id): task for task in tasks}
    view = View(now)
    view.load_tasks(rows[key] for key in needs.tasks if key in rows)
    view.accounts.update({one.id: one for one in accounts if one.id in needs.accounts})
    kept = [row for row in remembered if (row.account_id, row.key) in needs.idempotency]
    view.load_idempotency(kept)
    firsts = [(row.account_id, row.first.id) for row in kept]
    view.load_tasks(rows[key] for key in firsts if key in rows)
    held = [one for one in rows.values() if (one.account_id, one.claim_key) in needs.claim_keys]
    view.load_tasks(held)
    view.load_claim_keys((one.account_id, one.claim_key or "", one.id) for one in held)
    _load_leases(view, needs, list(rows.values()))
    _load_claims(view, needs, list(rows.values()))
    _load_purchases(view, needs, sorted(purchases, key=lambda one: one.created_at))
    return view


def _load_purchases(view: View, needs: Needs, purchases: list[Purchase]) -> None:
    named = [one for one in purchases if (one.account_id, one.id) in needs.purchases]
    newest = {one.account_id: one for one in purchases if one.account_id in needs.newest_purchases}
    view.purchases.load(named, newest.values())


def _load_leases(view: View, needs: Needs, tasks: list[Task]) -> None:
    for account_id in needs.leases:
        ends = [
            task.lease_expires_at
            for task in tasks
            if task.account_id == account_id
            and task.lease_expires_at is not None
            and task.lease_alive(view.now)
        ]
        view.live_leases[account_id] = len(ends)
        if ends:
            view.lease_ends[account_id] = min(ends)


def _load_claims(view: View, needs: Needs, tasks: list[Task]) -> None:
    in_order = sorted(tasks, key=lambda task: task.claim_order)
    for key in needs.claims:
        mine = [task for task in in_order if (task.account_id, task.type) == key]
        pending = [one for one in mine if one.status is Status.PENDING and one.due(view.now)]
        overdue = [one for one in mine if one.lease_over(view.now)]
        loaded = overdue[: needs.overdue(key)]
        view.load_claimable(key, pending[: needs.candidates(key)], loaded)
        if len(loaded) < len(overdue):
            view.more_overdue.add(key)


def expect(kind: type[Kind], value: object) -> Kind:
    assert isinstance(value, kind), value
    return value
