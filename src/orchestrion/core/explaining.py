"""Why a task can or cannot be claimed now: what blocks it, since when, and when that clears."""

from collections.abc import Iterator
from enum import StrEnum

import msgspec

from orchestrion.core.errors import ErrorCode
from orchestrion.core.instants import SECOND, Instant
from orchestrion.core.limits import COUNTED_MAX
from orchestrion.core.outcomes import Rejection
from orchestrion.core.quota import Leases
from orchestrion.core.task import CANCELLED, CLAIMED, COMPLETED, PENDING, Task


class Block(StrEnum):
    """What keeps a task from being claimed; the last three keep every task of its account."""

    SCHEDULED = "scheduled"
    LEASED = "leased"
    LAST_LEASE_ENDED = "last_lease_ended"
    CANCEL_REQUESTED = "cancel_requested"
    COMPLETED = "completed"
    DEAD_LETTER = "dead_letter"
    CANCELLED = "cancelled"
    MAX_WORKERS_REACHED = "max_workers_reached"
    RATE_LIMITED = "rate_limited"
    PLAN_EXPIRED = "plan_expired"


class Blocked(msgspec.Struct, frozen=True, kw_only=True):
    """One reason. What has no end does not clear by itself."""

    by: Block
    since: Instant | None = None
    clears_at: Instant | None = None


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """How many tasks of the type would be handed out before."""

    ahead: int
    capped: bool


def blocks(task: Task, now: Instant) -> list[Blocked]:
    """Say what of the task itself forbids a claim now."""
    if task.status is PENDING:
        if task.due(now):
            return []
        return [Blocked(by=Block.SCHEDULED, since=task.updated_at, clears_at=task.due_at)]
    if task.status is CLAIMED:
        return list(_held(task, now))
    if task.status is COMPLETED:
        return [Blocked(by=Block.COMPLETED, since=task.completed_at)]
    by = Block.CANCELLED if task.status is CANCELLED else Block.DEAD_LETTER
    return [Blocked(by=by, since=task.updated_at)]


def account_blocks(refused: Rejection | None, leases: Leases) -> list[Blocked]:
    """Say what of the account forbids a claim now: `refused` is what a claim would be told."""
    if refused is None:
        return []
    match refused.code:
        case ErrorCode.MAX_WORKERS_REACHED:
            return [Blocked(by=Block.MAX_WORKERS_REACHED, clears_at=leases.first_end)]
        case ErrorCode.RATE_LIMITED:
            clears_at = Instant(refused.now + refused.wait_seconds * SECOND)
            return [Blocked(by=Block.RATE_LIMITED, clears_at=clears_at)]
        case _:
            return [Blocked(by=Block.PLAN_EXPIRED)]


def place(ahead: int) -> Place:
    """Say where in line a task stands that so many precede."""
    return Place(ahead=min(ahead, COUNTED_MAX), capped=ahead > COUNTED_MAX)


def _held(task: Task, now: Instant) -> Iterator[Blocked]:
    returns = task.attempts_left and task.cancel_requested_at is None
    if task.lease_alive(now):
        ends = task.lease_expires_at if returns else None
        yield Blocked(by=Block.LEASED, since=task.claimed_at, clears_at=ends)
    if task.cancel_requested_at is not None:
        yield Blocked(by=Block.CANCEL_REQUESTED, since=task.cancel_requested_at)
    elif not returns and not task.lease_alive(now):
        yield Blocked(by=Block.LAST_LEASE_ENDED, since=task.lease_expires_at)
