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
    """What of one type waits in an account. Nothing is counted on past COUNTED_MAX.

    `next_due_at` is of whatever waits, and may be past.
    """

    type: str
    now: Instant
    known: bool
    due: int
    scheduled: int
    next_due_at: Instant | None


class TypeLeases(msgspec.Struct, frozen=True, kw_only=True):
    """What is held of some types, as far as it is among the account's `read` first to end.

    `last_end` is when the last of those ends, of whatever type.
    """

    leased: tuple[Leased, ...]
    read: int
    last_end: Instant | None

    @property
    def unread_from(self) -> Instant | None:
        """Tell from when on leases end that were not read; None where all were."""
        return self.last_end if self.read > COUNTED_MAX else None


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How many tasks of the types there are, each number at most COUNTED_MAX."""

    pending_due: int
    scheduled: int
    leased: int
    capped: bool


class Emptiness(msgspec.Struct, frozen=True, kw_only=True):
    """What an empty claim is told.

    No reason: a task has become claimable meanwhile, or too many leases of the account end before
    those that would tell.
    """

    reason: Reason | None
    next_claimable_at: Instant | None
    counts: Counts
    similar_types: tuple[str, ...] = ()


class _Ahead(msgspec.Struct, frozen=True, kw_only=True):
    """When what waits and what is held can be claimed; what was not read ends later than that."""

    scheduled_for: Instant | None
    released_at: Instant | None
    unread_from: Instant | None

    @property
    def clear(self) -> bool:
        """Tell whether nothing that was not read can come first."""
        known = _first(self.scheduled_for, self.released_at)
        return self.unread_from is None or (known is not None and known <= self.unread_from)


def emptiness(
    states: Sequence[TypeState], leases: TypeLeases, similar_types: Sequence[str] = ()
) -> Emptiness:
    """Explain an empty claim of these types."""
    now = max(state.now for state in states)
    ahead = _Ahead(
        scheduled_for=min(
            (state.next_due_at for state in states if state.next_due_at is not None), default=None
        ),
        released_at=min(
            (one.lease_expires_at for one in leases.leased if one.returns), default=None
        ),
        unread_from=leases.unread_from,
    )
    counts = _counts(states, leases)
    ready = counts.pending_due > 0 or (
        ahead.scheduled_for is not None and ahead.scheduled_for <= now
    )
    following = _first(ahead.scheduled_for, ahead.released_at) if ahead.clear else None
    if ready:
        following = now
    known = any(state.known for state in states)
    return Emptiness(
        reason=None if ready else _reason(counts, ahead, known=known),
        # A lease that has ended is given back by whoever looks next.
        next_claimable_at=None if following is None else max(following, now),
        counts=counts,
        similar_types=tuple(similar_types),
    )


def _reason(counts: Counts, ahead: _Ahead, *, known: bool) -> Reason | None:
    if not known:
        return Reason.UNKNOWN_TYPE
    if counts.leased and not counts.scheduled:
        return Reason.ALL_LEASED
    if not ahead.clear:
        return None
    if counts.leased:
        # Both are in the way: what matters is which of them ends first.
        following = _first(ahead.scheduled_for, ahead.released_at)
        return Reason.ALL_SCHEDULED if following == ahead.scheduled_for else Reason.ALL_LEASED
    return Reason.ALL_SCHEDULED if counts.scheduled else Reason.NO_TASKS


def _counts(states: Sequence[TypeState], leases: TypeLeases) -> Counts:
    due = sum(state.due for state in states)
    scheduled = sum(state.scheduled for state in states)
    leased = len(leases.leased)
    return Counts(
        pending_due=min(due, COUNTED_MAX),
        scheduled=min(scheduled, COUNTED_MAX),
        leased=min(leased, COUNTED_MAX),
        capped=max(due + scheduled, leases.read) > COUNTED_MAX,
    )


def _first(one: Instant | None, other: Instant | None) -> Instant | None:
    if one is None or other is None:
        return one if other is None else other
    return min(one, other)
