"""What deciding a command can come to; each carries what its answer needs."""

from enum import StrEnum

import msgspec

from orchestrion.core.account import Account, RequestCount
from orchestrion.core.errors import ErrorCode
from orchestrion.core.ids import AccountId, KeyId
from orchestrion.core.instants import Instant
from orchestrion.core.limits import WINDOW_SECONDS
from orchestrion.core.purchase import Purchase
from orchestrion.core.task import Task


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Where an hourly limit stands after this request."""

    name: str
    limit: int
    remaining: int
    reset_seconds: int
    window_seconds: int = WINDOW_SECONDS


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """A task was created or changed; shown to whoever asked."""

    task: Task
    now: Instant
    window: Window | None = None


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A task was claimed or its lease renewed; shown to the holder of the lease.

    `more`: what the same claim handed out besides.
    """

    task: Task
    now: Instant
    window: Window | None = None
    more: tuple[Task, ...] = ()
    # The claim was made before, under the same key.
    replayed: bool = False


class NoTask(msgspec.Struct, frozen=True, kw_only=True):
    """A claim found nothing claimable, and may have waited for it."""

    now: Instant
    window: Window | None = None
    waited: bool = False


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """A create was repeated: the task as first answered, and as it is now (None once purged)."""

    first: Task
    current: Task | None
    now: Instant
    window: Window | None = None


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """A key now exists."""

    account_id: AccountId
    key_id: KeyId


class Swept(msgspec.Struct, frozen=True, kw_only=True):
    """A background job changed this many rows."""

    count: int


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """Requests were counted: the counters as all processes together have them now."""

    counts: tuple[RequestCount, ...]


class PurchaseOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """A purchase as it is now; `activated` where this very command changed the plan.

    `changed` tells whether the command changed anything; a repeat does not.
    """

    purchase: Purchase
    changed: bool = False
    activated: bool = False


class PlanSet(msgspec.Struct, frozen=True, kw_only=True):
    """An operator changed an account's plan."""

    account: Account


class Again(msgspec.Struct, frozen=True, kw_only=True):
    """A claim must look once more, because the rows it loaded were all used up."""


class WorkersInUse(msgspec.Struct, frozen=True, kw_only=True):
    """The `billing_context` of max_workers_reached."""

    plan: str
    workers_in_use: int
    workers_limit: int


class Situation(StrEnum):
    """Refusals whose guidance their code alone does not tell."""

    PLAIN = "plain"
    UNKNOWN_ROUTE = "unknown_route"
    UNKNOWN_PURCHASE = "unknown_purchase"
    UNKNOWN_PLAN = "unknown_plan"
    PAYMENTS_OFF = "payments_off"
    # Of checkout: `Rejection.purchase` is the one that is pending.
    CHECKOUT_PENDING = "checkout_pending"
    # Of verify: nobody has approved it yet, or the money is on its way; both may be repeated.
    PAYMENT_PENDING = "payment_pending"
    PAYMENT_DECLINED = "payment_declined"
    # Money was taken that is not what was asked: another checkout would take more.
    PAYMENT_UNCOUNTED = "payment_uncounted"
    PLAN_WITHDRAWN = "plan_withdrawn"
    CHECKOUT_EXPIRED = "checkout_expired"
    REGISTRATION_CLOSED = "registration_closed"
    CLAIM_KEY_IN_USE = "claim_key_in_use"
    COMMIT_UNKNOWN = "commit_unknown"


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """A refusal: nothing was changed. Empty `message` and zero `status` mean the catalogue's."""

    code: ErrorCode
    message: str = ""
    status: int = 0
    wait_seconds: int = 0
    task: Task | None = None
    now: Instant = Instant(0)
    window: Window | None = None
    workers: WorkersInUse | None = None
    reason: str = ""
    situation: Situation = Situation.PLAIN
    purchase: Purchase | None = None


class Several(msgspec.Struct, frozen=True, kw_only=True):
    """What each part of one request came to, in order."""

    outcomes: tuple["Outcome", ...]


Outcome = (
    Changed
    | Held
    | NoTask
    | Replayed
    | Registered
    | Swept
    | Counted
    | PurchaseOutcome
    | PlanSet
    | Again
    | Several
    | Rejection
)
