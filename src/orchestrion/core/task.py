"""The task: the customer's unit of work as a value, with what can be read off it."""

from enum import StrEnum

import msgspec

from orchestrion.core.ids import AccountId, LeaseToken, TaskId
from orchestrion.core.instants import Instant


class Status(StrEnum):
    """Where a task stands in its life."""

    # An enumeration hashes by name in Python; the text's own hash is equally good and quick.
    __hash__ = str.__hash__

    PENDING = "pending"
    CLAIMED = "claimed"
    COMPLETED = "completed"
    DEAD_LETTER = "dead_letter"
    CANCELLED = "cancelled"


# Reading a member off its class takes as long as three calls, and rules read them at every turn.
PENDING, CLAIMED, COMPLETED, DEAD_LETTER, CANCELLED = Status
# What no worker waits for any more; retention deletes it in the end.
ENDED = frozenset({COMPLETED, DEAD_LETTER, CANCELLED})


# Positional, unlike other structs: the stores build one from each row by position, in this order.
class Task(msgspec.Struct, frozen=True):
    """A task as stored. `payload` and `result` are validated compact JSON text."""

    account_id: AccountId
    id: TaskId
    type: str
    payload: str
    status: Status
    priority: int
    scheduled_at: Instant | None
    attempt_count: int
    max_attempts: int
    lease_seconds: int
    claimed_by: str | None
    claimed_at: Instant | None
    lease_expires_at: Instant | None
    last_heartbeat_at: Instant | None
    created_at: Instant
    updated_at: Instant
    completed_at: Instant | None
    last_failed_at: Instant | None
    last_failure_reason: str | None
    result: str | None
    output_id: str | None
    lease_token: LeaseToken | None
    traceparent: str | None
    # What the holder of the last lease sent to give it back; None if nobody did.
    given_back_by: bytes | None = None
    # The key the last lease was claimed under, and what that claim asked (`lease.asked`).
    claim_key: str | None = None
    claim_digest: bytes | None = None
    # How often a claim of this task was undone since its creation or last requeue.
    release_count: int = 0
    cancel_requested_at: Instant | None = None

    @property
    def due_at(self) -> Instant:
        """When the task may first be claimed; also its place among equal priorities."""
        return self.created_at if self.scheduled_at is None else self.scheduled_at

    @property
    def claim_order(self) -> tuple[int, Instant, TaskId]:
        """Sort key of claims: priority descending, oldest due first, then id (decisions §5)."""
        return (-self.priority, self.due_at, self.id)

    def due(self, now: Instant) -> bool:
        """Tell whether the schedule allows a claim."""
        return self.scheduled_at is None or self.scheduled_at <= now

    def lease_alive(self, now: Instant) -> bool:
        """Tell whether a worker holds the task now: live means leaseExpiresAt > now."""
        return (
            self.status is CLAIMED
            and self.lease_expires_at is not None
            and self.lease_expires_at > now
        )

    def lease_over(self, now: Instant) -> bool:
        """Tell whether the task is claimed under a lease that has ended and is not yet swept."""
        return self.status is CLAIMED and not self.lease_alive(now)

    @property
    def attempts_left(self) -> bool:
        """Tell whether another claim is allowed after this attempt."""
        return self.attempt_count < self.max_attempts
