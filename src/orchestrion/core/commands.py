"""Every write as a value: what is asked, with the ids and tokens already made."""

import msgspec

from orchestrion.core.account import RequestCount
from orchestrion.core.asking import Asks
from orchestrion.core.ids import AccountId, KeyId, LeaseToken, TaskId
from orchestrion.core.instants import Instant
from orchestrion.core.lease import Completion, Failure, Lease
from orchestrion.core.purchase_commands import OfPlan


class CreateTask(msgspec.Struct, frozen=True, kw_only=True):
    """Create a task; `request_digest` tells two requests under one key apart."""

    account_id: AccountId
    task_id: TaskId
    type: str
    payload: str
    priority: int
    max_attempts: int
    lease_seconds: int
    scheduled_at: Instant | None
    idempotency_key: str | None = None
    request_digest: bytes = b""
    traceparent: str | None = None


class ClaimNext(msgspec.Struct, frozen=True, kw_only=True):
    """Claim the first claimable task of these types, and one more for each further token."""

    account_id: AccountId
    types: tuple[str, ...]
    lease: Lease
    more: tuple[LeaseToken, ...] = ()

    @property
    def tasks_max(self) -> int:
        """How many tasks it may hand out."""
        return 1 + len(self.more)


class ClaimTask(msgspec.Struct, frozen=True, kw_only=True):
    """Claim one task by id."""

    account_id: AccountId
    task_id: TaskId
    lease: Lease


class CompleteTask(msgspec.Struct, frozen=True, kw_only=True):
    """End the attempt well."""

    account_id: AccountId
    task_id: TaskId
    lease_token: LeaseToken | None
    completion: Completion


class FailTask(msgspec.Struct, frozen=True, kw_only=True):
    """End the attempt badly."""

    account_id: AccountId
    task_id: TaskId
    lease_token: LeaseToken | None
    failure: Failure


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """Renew the lease."""

    account_id: AccountId
    task_id: TaskId
    lease_token: LeaseToken | None


class ReleaseTask(msgspec.Struct, frozen=True, kw_only=True):
    """Undo the claim."""

    account_id: AccountId
    task_id: TaskId
    lease_token: LeaseToken
    failure: Failure


class UndoClaim(msgspec.Struct, frozen=True, kw_only=True):
    """Undo a claim whose answer never left the server."""

    account_id: AccountId
    task_id: TaskId
    lease_token: LeaseToken


class CancelTask(msgspec.Struct, frozen=True, kw_only=True):
    """Withdraw a pending task."""

    account_id: AccountId
    task_id: TaskId


class RequestCancel(msgspec.Struct, frozen=True, kw_only=True):
    """Withdraw a task, also one that a worker holds."""

    account_id: AccountId
    task_id: TaskId


class RequeueTask(msgspec.Struct, frozen=True, kw_only=True):
    """Put a dead task back."""

    account_id: AccountId
    task_id: TaskId


class FinishAndClaim(msgspec.Struct, frozen=True, kw_only=True):
    """End an attempt and, unless that is refused, claim what comes next."""

    account_id: AccountId
    finish: CompleteTask | FailTask
    claim: ClaimNext


class Together(msgspec.Struct, frozen=True, kw_only=True):
    """Commands of one kind and one request: decided in order, committed at once."""

    account_id: AccountId
    commands: tuple[CreateTask | CompleteTask | FailTask | Heartbeat, ...]


class RegisterKey(msgspec.Struct, frozen=True, kw_only=True):
    """Make an account and its first key."""

    account_id: AccountId
    key_id: KeyId
    key_hash: bytes
    email: str | None


class ExpireLeases(msgspec.Struct, frozen=True, kw_only=True):
    """Give back the overdue ones among these tasks of one account."""

    account_id: AccountId
    task_ids: tuple[TaskId, ...]


class PurgeFinished(msgspec.Struct, frozen=True, kw_only=True):
    """Delete those of one account's tasks that are past its retention."""

    account_id: AccountId
    task_ids: tuple[TaskId, ...]


class PurgeIdempotencyKeys(msgspec.Struct, frozen=True, kw_only=True):
    """Forget those of one account's idempotency keys whose life is over."""

    account_id: AccountId
    keys: tuple[str, ...]


class PurgeMinutes(msgspec.Struct, frozen=True, kw_only=True):
    """Forget what happened in those of one account's minutes that no rate needs, by type."""

    account_id: AccountId
    minutes: tuple[tuple[str, Instant], ...]


class PurgeCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Forget those of one account's types of which there is no task."""

    account_id: AccountId
    types: tuple[str, ...]


class NoteAsks(msgspec.Struct, frozen=True, kw_only=True):
    """Take note of when workers asked one process for types of one account."""

    account_id: AccountId
    asks: Asks


class CountRequests(msgspec.Struct, frozen=True, kw_only=True):
    """Add what one process counted per key since it last said so, each in its window."""

    counts: tuple[RequestCount, ...]


OfHolder = CompleteTask | FailTask | Heartbeat | ReleaseTask | UndoClaim
OnTask = ClaimTask | OfHolder | CancelTask | RequestCancel | RequeueTask
Sweep = ExpireLeases | PurgeFinished | PurgeIdempotencyKeys | PurgeMinutes | PurgeCounts | NoteAsks
Job = Sweep | CountRequests
Single = CreateTask | ClaimNext | OnTask | RegisterKey | OfPlan | Job
Command = Single | FinishAndClaim | Together


def account_of(command: Command) -> AccountId | None:
    """Name the one account a command concerns; None if there may be several."""
    return None if isinstance(command, CountRequests) else command.account_id


def parts_of(command: Command) -> tuple[Single, ...]:
    """Give the single commands that one is made of."""
    match command:
        case Together():
            return command.commands
        case FinishAndClaim():
            return (command.finish, command.claim)
        case _:
            return (command,)


def weight_of(command: Command) -> int:
    """Say as how many commands one counts: by how many tasks it may write."""
    match command:
        case Together():
            return len(command.commands)
        case ClaimNext():
            return command.tasks_max
        case FinishAndClaim():
            return 1 + command.claim.tasks_max
        case _:
            return 1
