"""Why a claim found nothing: from what is stored of its types to a reason."""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from orchestrion.core.instants import Instant
from orchestrion.core.limits import COUNTED_MAX


class Reason(StrEnum):
    """Why no task can be handed out."""

    NO_TASKS = "no_tasks"
    UNKNOWN_TYPE = "unknown_type"
    ALL_SCHEDULED = "all_scheduled"
    ALL_LEASED = "all_leased"


class Leased(msgspec.Struct, frozen=True):
    """What of a claimed task tells whether it comes back, and when."""

    lease_expires_at: Instant
    attempt_count: int
    max_attempts: int
    cancel_requested_at: Instant | None

    @property
    def returns(self) -> bool:
        """Tell whether the task is claimable once its lease has ended."""
        return self.attempt_count < self.max_attempts and self.cancel_requested_at is None


class TypeState(msgspec.Struct, frozen=True, kw_only=True):
    """What an account has of one type. Nothing is counted on past COUNTED_MAX.

    `next_due_at` is of whatever waits, and may be past. `leased` are those found among the
    account's `leases_read` first leases to end.
    """

    type: str
    now: Instant
    known: bool
    due: int
    scheduled: int
    next_due_at: Instant | None
    leased: tuple[Leased, ...]
    leases_read: int


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How many tasks of the types there are, each number at most COUNTED_MAX."""

    pending_due: int
    scheduled: int
    leased: int
    capped: bool


class Emptiness(msgspec.Struct, frozen=True, kw_only=True):
    """What an empty claim is told. No reason: a task has become claimable meanwhile."""

    reason: Reason | None
    next_claimable_at: Instant | None
    counts: Counts
    similar_types: tuple[str, ...] = ()


def emptiness(states: Sequence[TypeState], similar_types: Sequence[str] = ()) -> Emptiness:
    """Explain an empty claim of these types."""
    now = max(state.now for state in states)
    scheduled_for = min(
        (state.next_due_at for state in states if state.next_due_at is not None), default=None
    )
    released_at = min(
        (one.lease_expires_at for state in states for one in state.leased if one.returns),
        default=None,
    )
    counts = _counts(states)
    ready = counts.pending_due > 0 or (scheduled_for is not None and scheduled_for <= now)
    following = now if ready else _first(scheduled_for, released_at)
    return Emptiness(
        reason=None if ready else _reason(states, counts, scheduled_for, released_at),
        # A lease that has ended is given back by whoever looks next.
        next_claimable_at=None if following is None else max(following, now),
        counts=counts,
        similar_types=tuple(similar_types),
    )


def _reason(
    states: Sequence[TypeState],
    counts: Counts,
    scheduled_for: Instant | None,
    released_at: Instant | None,
) -> Reason:
    if counts.leased and counts.scheduled:
        # Both are in the way: what matters is which of them ends first.
        sooner = _first(scheduled_for, released_at) == scheduled_for
        return Reason.ALL_SCHEDULED if sooner else Reason.ALL_LEASED
    if counts.leased:
        return Reason.ALL_LEASED
    if counts.scheduled:
        return Reason.ALL_SCHEDULED
    known = any(state.known for state in states)
    return Reason.NO_TASKS if known else Reason.UNKNOWN_TYPE


def _counts(states: Sequence[TypeState]) -> Counts:
    due = sum(state.due for state in states)
    scheduled = sum(state.scheduled for state in states)
    leased = sum(len(state.leased) for state in states)
    read = max(state.leases_read for state in states)
    return Counts(
        pending_due=min(due, COUNTED_MAX),
        scheduled=min(scheduled, COUNTED_MAX),
        leased=min(leased, COUNTED_MAX),
        capped=max(due + scheduled, leased, read) > COUNTED_MAX,
    )


def _first(one: Instant | None, other: Instant | None) -> Instant | None:
    if one is None or other is None:
        return one if other is None else other
    return min(one, other)
