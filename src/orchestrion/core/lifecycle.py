"""The state machine of a task: one literal table, its guards, and one function per verb."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

import msgspec
from msgspec.structs import replace

from orchestrion.core import repeats
from orchestrion.core.errors import ErrorCode
from orchestrion.core.ids import LeaseToken
from orchestrion.core.instants import SECOND, Instant, seconds_until
from orchestrion.core.lease import Completion, Failure, Lease
from orchestrion.core.limits import RELEASES_MAX
from orchestrion.core.outcomes import Rejection
from orchestrion.core.task import (
    CANCELLED,
    CLAIMED,
    COMPLETED,
    DEAD_LETTER,
    PENDING,
    Status,
    Task,
)


class Verb(StrEnum):
    """What can be done to a task that exists."""

    # An enumeration hashes by name in Python; the text's own hash is equally good and quick.
    __hash__ = str.__hash__

    CLAIM = "claim"
    HEARTBEAT = "heartbeat"
    COMPLETE = "complete"
    FAIL = "fail"
    RELEASE = "release"
    CANCEL = "cancel"
    REQUEST_CANCEL = "request_cancel"
    REQUEUE = "requeue"
    EXPIRE = "expire"


class Guard(StrEnum):
    """What must hold besides the state."""

    NONE = "always"
    DUE = "scheduledAt has come"
    LEASE_ALIVE = "lease is live"
    LEASE_OVER = "lease has ended"


CLAIM, HEARTBEAT, COMPLETE, FAIL, RELEASE, CANCEL, REQUEST_CANCEL, REQUEUE, EXPIRE = Verb
NONE, DUE, LEASE_ALIVE, LEASE_OVER = Guard


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """One row, with the targets that differ when no attempt is left or a cancel was requested."""

    target: Status
    guard: Guard = NONE
    exhausted: Status | None = None
    withdrawn: Status | None = None


# A pair that is missing here is refused as invalid_transition.
TABLE: Mapping[tuple[Status, Verb], Transition] = MappingProxyType(
    {
        (PENDING, CLAIM): Transition(target=CLAIMED, guard=DUE),
        (PENDING, CANCEL): Transition(target=CANCELLED),
        (CLAIMED, HEARTBEAT): Transition(target=CLAIMED, guard=LEASE_ALIVE),
        (CLAIMED, COMPLETE): Transition(target=COMPLETED, guard=LEASE_ALIVE),
        (CLAIMED, FAIL): Transition(
            target=PENDING, guard=LEASE_ALIVE, exhausted=DEAD_LETTER, withdrawn=CANCELLED
        ),
        (CLAIMED, RELEASE): Transition(target=PENDING, guard=LEASE_ALIVE, withdrawn=CANCELLED),
        (CLAIMED, REQUEST_CANCEL): Transition(target=CLAIMED, guard=LEASE_ALIVE),
        (CLAIMED, EXPIRE): Transition(
            target=PENDING, guard=LEASE_OVER, exhausted=DEAD_LETTER, withdrawn=CANCELLED
        ),
        (DEAD_LETTER, REQUEUE): Transition(target=PENDING),
    }
)

CREATED = PENDING
# No verb leads out of these.
TERMINAL = frozenset(Status) - {source for source, _ in TABLE}


def refusal(task: Task, verb: Verb, now: Instant) -> Rejection | None:
    """Say why the table or a guard refuses the verb now; None when it is allowed."""
    transition = TABLE.get((task.status, verb))
    if transition is None:
        return _no_place(task, verb, now)
    guard = transition.guard
    if guard is DUE and not task.due(now):
        return _not_yet(task, now)
    if guard is LEASE_ALIVE and not task.lease_alive(now):
        return _lease_expired(task, now, "expired")
    if guard is LEASE_OVER and not task.lease_over(now):
        return Rejection(code=ErrorCode.INVALID_TRANSITION, task=task, now=now)
    return None


def claim(task: Task, now: Instant, lease: Lease) -> Task | Rejection:
    """Start an attempt: the lease ends lease_seconds from now."""
    task = released(task, now)
    if refused := refusal(task, CLAIM, now):
        return refused
    return replace(
        task,
        status=TABLE[PENDING, CLAIM].target,
        attempt_count=task.attempt_count + 1,
        claimed_by=lease.worker_id,
        claimed_at=now,
        lease_expires_at=Instant(now + task.lease_seconds * SECOND),
        last_heartbeat_at=None,
        lease_token=lease.token,
        given_back_by=None,
        claim_key=lease.key,
        claim_digest=lease.claim_digest,
        updated_at=now,
    )


def heartbeat(task: Task, now: Instant, lease_token: LeaseToken | None) -> Task | Rejection:
    """Renew the lease to now + lease_seconds; updated_at stays, for the state does."""
    if refused := _not_held(task, HEARTBEAT, now, lease_token):
        return refused
    # A lease is never shortened, whatever the clock did since the last beat.
    ends = max(task.lease_expires_at or 0, now + task.lease_seconds * SECOND)
    return replace(task, lease_expires_at=Instant(ends), last_heartbeat_at=now)


def complete(
    task: Task, now: Instant, lease_token: LeaseToken | None, done: Completion
) -> Task | Rejection:
    """End the task well; who did it and when stays readable. A repeat changes nothing."""
    if repeats.completed_so(task, lease_token, done):
        return task
    if refused := _not_held(task, COMPLETE, now, lease_token):
        return refused
    return replace(
        task,
        status=TABLE[CLAIMED, COMPLETE].target,
        result=done.result,
        output_id=done.output_id,
        completed_at=now,
        lease_expires_at=None,
        updated_at=now,
    )


def fail(
    task: Task, now: Instant, lease_token: LeaseToken | None, failure: Failure
) -> Task | Rejection:
    """End the attempt badly: back to pending, or to dead_letter when none is left.

    A repeat changes nothing.
    """
    sent = None if lease_token is None else failure.digest(FAIL, lease_token)
    if repeats.given_back_so(task, lease_token, sent):
        return task
    return _not_held(task, FAIL, now, lease_token) or _failed(task, now, failure, sent)


def release(
    task: Task, now: Instant, lease_token: LeaseToken, failure: Failure
) -> Task | Rejection:
    """Undo the claim: back to pending, and the attempt is not charged.

    What was released too often counts as failed. A repeat changes nothing.
    """
    sent = failure.digest(RELEASE, lease_token)
    if repeats.given_back_so(task, lease_token, sent):
        return task
    if refused := _not_held(task, RELEASE, now, lease_token):
        return refused
    if task.release_count >= RELEASES_MAX:
        return _failed(task, now, failure, sent)
    given_back = _given_back(task, RELEASE, now)
    delay = failure.retry_after_seconds
    waits = given_back.status is PENDING and delay is not None
    return replace(
        given_back,
        attempt_count=task.attempt_count - 1,
        scheduled_at=_after(now, delay) if waits else task.scheduled_at,
        release_count=task.release_count + 1,
        given_back_by=sent,
    )


def undo(task: Task, now: Instant, lease_token: LeaseToken) -> Task | Rejection:
    """Undo a claim that its worker never heard of: unlike a release it is not counted."""
    if refused := _not_held(task, RELEASE, now, lease_token):
        return refused
    return replace(_given_back(task, RELEASE, now), attempt_count=task.attempt_count - 1)


def request_cancel(task: Task, now: Instant) -> Task | Rejection:
    """Withdraw a task, also one that a worker holds: the worker is asked to give it back."""
    task = released(task, now)
    if task.status is not CLAIMED:
        return cancel(task, now)
    asked = task if task.cancel_requested_at else replace(task, cancel_requested_at=now)
    return refusal(task, REQUEST_CANCEL, now) or asked


def cancel(task: Task, now: Instant) -> Task | Rejection:
    """Withdraw a pending task for good."""
    task = released(task, now)
    if refused := refusal(task, CANCEL, now):
        return refused
    return replace(task, status=TABLE[PENDING, CANCEL].target, updated_at=now)


def requeue(task: Task, now: Instant) -> Task | Rejection:
    """Give a dead task a fresh set of attempts, at once; its last failure stays readable."""
    task = released(task, now)
    if refused := refusal(task, REQUEUE, now):
        return refused
    return replace(
        task,
        status=TABLE[DEAD_LETTER, REQUEUE].target,
        attempt_count=0,
        release_count=0,
        # An older server may have dead-lettered what was asked back; now it is wanted again.
        cancel_requested_at=None,
        scheduled_at=None,
        updated_at=now,
    )


def expire(task: Task, now: Instant) -> Task | Rejection:
    """Take an overdue task from its worker; what the worker last reported stays."""
    return refusal(task, EXPIRE, now) or _given_back(task, EXPIRE, now)


def released(task: Task, now: Instant) -> Task:
    """Apply an expiry that is due, so that no verb waits for a background job (decisions §3)."""
    return _given_back(task, EXPIRE, now) if task.lease_over(now) else task


def _given_back(task: Task, verb: Verb, now: Instant) -> Task:
    transition = TABLE[CLAIMED, verb]
    target = transition.target
    if task.cancel_requested_at is not None and transition.withdrawn is not None:
        target = transition.withdrawn
    elif not task.attempts_left and transition.exhausted is not None:
        target = transition.exhausted
    return replace(
        task,
        status=target,
        claimed_by=None,
        claimed_at=None,
        lease_expires_at=None,
        last_heartbeat_at=None,
        updated_at=now,
    )


def _failed(task: Task, now: Instant, failure: Failure, sent: bytes | None) -> Task:
    given_back = _given_back(task, FAIL, now)
    goes_on = given_back.status is PENDING
    return replace(
        given_back,
        scheduled_at=_after(now, failure.retry_after_seconds) if goes_on else task.scheduled_at,
        last_failed_at=now,
        last_failure_reason=failure.reason,
        given_back_by=sent,
    )


def _after(now: Instant, seconds: int | None) -> Instant | None:
    return None if seconds is None else Instant(now + seconds * SECOND)


def _not_held(
    task: Task, verb: Verb, now: Instant, lease_token: LeaseToken | None
) -> Rejection | None:
    # A token that is not the current one is refused before the state is looked at: whoever
    # sends it worked under an earlier lease, whatever became of the task since (decisions §3).
    if lease_token is not None and lease_token != task.lease_token:
        return _lease_expired(task, now, "superseded")
    return refusal(task, verb, now)


def _no_place(task: Task, verb: Verb, now: Instant) -> Rejection:
    if verb is CANCEL and task.lease_expires_at is not None and task.lease_alive(now):
        return Rejection(
            code=ErrorCode.TASK_CURRENTLY_CLAIMED,
            task=task,
            now=now,
            wait_seconds=seconds_until(task.lease_expires_at, now),
        )
    return Rejection(code=ErrorCode.INVALID_TRANSITION, task=task, now=now)


def _not_yet(task: Task, now: Instant) -> Rejection:
    return Rejection(
        code=ErrorCode.NOT_YET_CLAIMABLE,
        task=task,
        now=now,
        wait_seconds=seconds_until(task.due_at, now),
    )


def _lease_expired(task: Task, now: Instant, reason: str) -> Rejection:
    return Rejection(code=ErrorCode.LEASE_EXPIRED, task=task, now=now, reason=reason)
