"""Request bodies and answers as they stand on the wire, where they are not core values."""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from orchestrion.core import limits
from orchestrion.core.contract import AgentContract
from orchestrion.core.watching import Mode, Until

# `\Z`, because `$` would let a trailing newline through.
TypeName = Annotated[
    str, Meta(min_length=1, max_length=limits.TYPE_LENGTH_MAX, pattern=r"^[a-zA-Z0-9_-]+\Z")
]
WorkerId = Annotated[str, Meta(min_length=1, max_length=limits.WORKER_ID_LENGTH_MAX)]
LeaseTokenText = Annotated[str, Meta(min_length=1, max_length=limits.LEASE_TOKEN_LENGTH_MAX)]
KeyText = Annotated[
    str,
    Meta(min_length=1, max_length=limits.IDEMPOTENCY_KEY_LENGTH_MAX, pattern=r"^[\x20-\x7e]+\Z"),
]


class NoBody(msgspec.Struct, frozen=True, kw_only=True):
    """A verb that takes nothing; whatever is sent must still be a JSON object."""


class RegisterBody(msgspec.Struct, frozen=True, kw_only=True):
    """POST /v1/keys/register."""

    email: (
        Annotated[
            str,
            Meta(
                min_length=3,
                max_length=limits.EMAIL_LENGTH_MAX,
                pattern=r"^[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+\.[^@\s.\x00-\x1f\x7f]+\Z",
            ),
        ]
        | UnsetType
    ) = UNSET


class CreateBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """POST /v1/tasks. `payload` is checked on its text, for decoders lose digits."""

    type: TypeName
    payload: msgspec.Raw
    priority: Annotated[int, Meta(ge=limits.PRIORITY_MIN, le=limits.PRIORITY_MAX)] = (
        limits.PRIORITY_DEFAULT
    )
    max_attempts: Annotated[int, Meta(ge=limits.ATTEMPTS_MIN, le=limits.ATTEMPTS_MAX)] = (
        limits.ATTEMPTS_DEFAULT
    )
    lease_duration_seconds: Annotated[
        int, Meta(ge=limits.LEASE_SECONDS_MIN, le=limits.LEASE_SECONDS_MAX)
    ] = limits.LEASE_SECONDS_DEFAULT
    scheduled_at: str | UnsetType = UNSET
    idempotency_key: KeyText | UnsetType = UNSET


class NextClaim(msgspec.Struct, frozen=True, kw_only=True):
    """What to claim by type, with a request of its own or behind the end of another attempt."""

    type: TypeName | UnsetType = UNSET
    types: (
        Annotated[list[TypeName], Meta(min_length=1, max_length=limits.CLAIM_TYPES_MAX)] | UnsetType
    ) = UNSET
    worker_id: WorkerId | UnsetType = UNSET
    wait_seconds: Annotated[int, Meta(ge=0, le=limits.WAIT_SECONDS_MAX)] = 0


class ClaimNextBody(NextClaim, frozen=True, kw_only=True):
    """POST /v1/tasks/claim."""

    max_tasks: (
        Annotated[int, Meta(ge=limits.CLAIM_TASKS_MIN, le=limits.CLAIM_TASKS_MAX)] | UnsetType
    ) = UNSET


class ClaimTaskBody(msgspec.Struct, frozen=True, kw_only=True):
    """POST /v1/tasks/{id}/claim."""

    worker_id: WorkerId | UnsetType = UNSET


class CompleteBody(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended well."""

    result: msgspec.Raw | UnsetType = UNSET
    output_id: (
        Annotated[str, Meta(min_length=1, max_length=limits.OUTPUT_ID_LENGTH_MAX)] | UnsetType
    ) = UNSET
    lease_token: LeaseTokenText | UnsetType = UNSET


class CompleteAndClaimBody(CompleteBody, frozen=True, kw_only=True):
    """POST /v1/tasks/{id}/complete."""

    claim_next: NextClaim | UnsetType = UNSET


class FailBody(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended badly."""

    reason: Annotated[str, Meta(max_length=limits.REASON_LENGTH_MAX)] | UnsetType = UNSET
    retry_after_seconds: (
        Annotated[int, Meta(ge=limits.RETRY_AFTER_SECONDS_MIN, le=limits.RETRY_AFTER_SECONDS_MAX)]
        | UnsetType
    ) = UNSET
    lease_token: LeaseTokenText | UnsetType = UNSET


class FailAndClaimBody(FailBody, frozen=True, kw_only=True):
    """POST /v1/tasks/{id}/fail."""

    claim_next: NextClaim | UnsetType = UNSET


class ReleaseBody(msgspec.Struct, frozen=True, kw_only=True):
    """POST /v1/tasks/{id}/release."""

    lease_token: LeaseTokenText
    reason: Annotated[str, Meta(max_length=limits.REASON_LENGTH_MAX)] | UnsetType = UNSET
    retry_after_seconds: (
        Annotated[int, Meta(ge=limits.RETRY_AFTER_SECONDS_MIN, le=limits.RETRY_AFTER_SECONDS_MAX)]
        | UnsetType
    ) = UNSET


class CancelBody(msgspec.Struct, frozen=True, kw_only=True):
    """POST /v1/tasks/{id}/cancel."""

    force: bool = False


class HeartbeatBody(msgspec.Struct, frozen=True, kw_only=True):
    """POST /v1/tasks/{id}/heartbeat."""

    lease_token: LeaseTokenText | UnsetType = UNSET


class WaitBody(msgspec.Struct, frozen=True, kw_only=True):
    """POST /v1/tasks/wait."""

    ids: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=limits.TASK_ID_LENGTH_MAX)]],
        Meta(min_length=1, max_length=limits.WAIT_TASKS_MAX),
    ]
    mode: Mode = Mode.ALL
    until: Until = Until.TERMINAL
    wait_seconds: Annotated[int, Meta(ge=0, le=limits.WAIT_SECONDS_MAX)] = (
        limits.WAIT_SECONDS_DEFAULT
    )


class CheckoutBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """POST /v1/billing/checkout."""

    plan_id: str


class PaymentEvent(msgspec.Struct, frozen=True, kw_only=True):
    """POST /billing/paypal. PayPal's own; its bytes are verified as they came."""


class VerifyBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """POST /v1/billing/verify."""

    purchase_id: str


# Positional, and built from one tuple: a page holds a hundred of them.
class TaskAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """A task on the wire, in the specification's order of fields."""

    id: str
    type: str
    payload: msgspec.Raw
    status: str
    priority: int
    scheduled_at: str | None
    attempt_count: int
    max_attempts: int
    lease_duration_seconds: int
    claimed_by: str | None
    claimed_at: str | None
    lease_expires_at: str | None
    last_heartbeat_at: str | None
    created_at: str
    updated_at: str
    completed_at: str | None
    last_failed_at: str | None
    last_failure_reason: str | None
    result: msgspec.Raw | None
    output_id: str | None
    cancel_requested_at: str | UnsetType


class TaskWithContract(TaskAnswer, frozen=True):
    """A task with its guidance beside it."""

    agent_contract: AgentContract = msgspec.field(name="agent_contract")


class FinishedAnswer(TaskWithContract, frozen=True):
    """A task whose attempt ended, and what its worker got next; the guidance is for that."""

    next_task: TaskAnswer | None = msgspec.field(name="next_task")
    next_lease_token: str | UnsetType = msgspec.field(name="next_lease_token")
    # Why nothing was claimed, where it is not that there is nothing.
    next_error: str | UnsetType = msgspec.field(name="next_error")


class ClaimedTask(msgspec.Struct, frozen=True, kw_only=True):
    """One of several that a claim handed out."""

    task: TaskAnswer
    lease_token: str


class ClaimAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A claim: the task and the token that fences it, or null; all of them if several may come."""

    task: TaskAnswer | None
    lease_token: str | UnsetType = UNSET
    tasks: list[ClaimedTask] | UnsetType = UNSET
    agent_contract: AgentContract


class PageInfo(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Whether and where a list goes on."""

    next_cursor: str | None
    has_more: bool


class ListAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A page of tasks, in the shape that was asked for."""

    items: Sequence[object]
    page_info: PageInfo = msgspec.field(name="pageInfo")
    agent_contract: AgentContract


class KeyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A new key, shown once."""

    api_key: str = msgspec.field(name="apiKey")
    account_id: str = msgspec.field(name="accountId")
    agent_contract: AgentContract


class BillingContext(msgspec.Struct, frozen=True, kw_only=True):
    """Beside max_workers_reached: how full the account is."""

    plan: str
    workers_in_use: int
    workers_limit: int


class ErrorDetails(msgspec.Struct, frozen=True, kw_only=True):
    """Beside lease_expired: `expired` or `superseded`."""

    reason: str


class ErrorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Every 4xx and 5xx."""

    error: str
    message: str
    request_id: str
    agent_contract: AgentContract
    billing_context: BillingContext | UnsetType = UNSET
    details: ErrorDetails | UnsetType = UNSET
    # Beside a checkout that is refused because another is pending: that one.
    purchase_id: str | UnsetType = msgspec.field(default=UNSET, name="purchaseId")
    plan_id: str | UnsetType = msgspec.field(default=UNSET, name="planId")
    checkout_url: str | UnsetType = msgspec.field(default=UNSET, name="checkoutUrl")
    checkout_expires_at: str | UnsetType = msgspec.field(default=UNSET, name="checkoutExpiresAt")


class PlanAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A plan on the wire; the price is a JSON number."""

    id: str
    name: str
    price_usd: msgspec.Raw
    max_workers: int
    max_tasks_per_month: int
    max_claims_per_hour: int
    max_creates_per_hour: int
    retention_days: int
    purchasable: bool


class PlansAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The catalogue."""

    plans: list[PlanAnswer]
    agent_contract: AgentContract


class BillingStatusAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The account's plan and what it has used."""

    plan: PlanAnswer
    plan_expires_at: str | None = msgspec.field(name="planExpiresAt")
    tasks_created_this_cycle: int = msgspec.field(name="tasksCreatedThisCycle")
    cycle_started_at: str = msgspec.field(name="cycleStartedAt")
    request_id: str
    agent_contract: AgentContract


class CheckoutAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A purchase that a human can approve now."""

    purchase_id: str = msgspec.field(name="purchaseId")
    order_id: str = msgspec.field(name="orderId")
    checkout_url: str = msgspec.field(name="checkoutUrl")
    plan_id: str = msgspec.field(name="planId")
    plan_name: str = msgspec.field(name="planName")
    price_usd: msgspec.Raw = msgspec.field(name="priceUsd")
    checkout_expires_at: str = msgspec.field(name="checkoutExpiresAt")
    request_id: str
    agent_contract: AgentContract


class VerifyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A purchase that is paid, and whether this request made it so."""

    outcome: Literal["activated", "already_confirmed"]
    purchase_id: str = msgspec.field(name="purchaseId")
    plan_id: str = msgspec.field(name="planId")
    message: str
    request_id: str
    agent_contract: AgentContract
