"""The numbers of an account's tasks: which types are shown, the rates, and what to do next."""

from collections.abc import Mapping, Sequence

import msgspec

from orchestrion.core import actions
from orchestrion.core.actions import recommended
from orchestrion.core.contract import AgentContract
from orchestrion.core.instants import SECOND, Instant
from orchestrion.core.limits import RATE_SECONDS, STATS_TYPES_MAX, STATS_TYPES_READ_MAX
from orchestrion.core.tally import ALL_TYPES, MINUTE, minute_of

# The row of all types comes before the others, and one more tells whether there are more.
ROWS_READ_MAX = 1 + STATS_TYPES_READ_MAX + 1
_DECIMALS = 2
_RATE = RATE_SECONDS * SECOND


class Counts(msgspec.Struct, frozen=True):
    """How many tasks there are in each state."""

    pending: int = 0
    claimed: int = 0
    completed: int = 0
    dead_letter: int = 0
    cancelled: int = 0

    @property
    def any(self) -> bool:
        """Tell whether there is a task at all."""
        return self != NONE

    @property
    def business(self) -> tuple[int, int]:
        """Sort key of types: what is to be done or being done, then what is done."""
        return (self.pending + self.claimed, self.completed)


NONE = Counts()


class Happened(msgspec.Struct, frozen=True):
    """How often something happened to tasks in some time."""

    created: float = 0
    claimed: float = 0
    completed: float = 0
    failed: float = 0
    dead_lettered: float = 0
    cancelled: float = 0


NOTHING = Happened()


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What is read first: the counts by type, `ALL_TYPES` among them, and the oldest that waits."""

    now: Instant
    by_type: Mapping[str, Counts]
    oldest_pending_at: Instant | None


class Minute(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to the tasks of a type, or of all, in the minute that began then."""

    type: str
    minute_at: Instant
    happened: Happened


class TypeStats(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of one type."""

    type: str
    counts: Counts
    oldest_due_at: Instant | None
    rates: Happened


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of an account. What waits longest is sought among the types shown."""

    now: Instant
    counts: Counts
    oldest_pending_at: Instant | None
    oldest_due_at: Instant | None
    next_lease_ends_at: Instant | None
    rates: Happened
    types: tuple[TypeStats, ...]
    types_truncated: bool


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """Which types are shown, the busiest first, and whether there are more."""

    types: tuple[str, ...]
    truncated: bool


def shown(standing: Standing) -> Shown:
    """Choose the types to show."""
    types = [
        type_ for type_, counts in standing.by_type.items() if type_ != ALL_TYPES and counts.any
    ]
    # By name among equals: rows come sorted.
    types.sort(key=lambda type_: standing.by_type[type_].business, reverse=True)
    unread = len(standing.by_type) >= ROWS_READ_MAX
    return Shown(
        types=tuple(types[:STATS_TYPES_MAX]), truncated=unread or len(types) > STATS_TYPES_MAX
    )


def counted(numbers: Sequence[int]) -> Counts:
    """Give counts as they were kept.

    A server that did not count yet may have run beside one that did: never less than nothing.
    """
    return Counts(*(max(0, number) for number in numbers))


def recent_minutes(now: Instant) -> tuple[Instant, ...]:
    """Give the minutes that rates depend on."""
    first = minute_of(Instant(now - _RATE))
    return tuple(Instant(at) for at in range(first, now + 1, MINUTE))


def rates(minutes: Sequence[Minute], now: Instant) -> Mapping[str, Happened]:
    """Say how often things happened lately, by type.

    Of a minute that is partly too long ago the same part counts: what happened then is taken to
    have been spread evenly.
    """
    found: dict[str, list[float]] = {}
    for minute in minutes:
        share = (minute.minute_at + MINUTE - (now - _RATE)) / MINUTE
        so_far = found.setdefault(minute.type, [0.0] * len(NOTHING.__struct_fields__))
        for place, number in enumerate(msgspec.structs.astuple(minute.happened)):
            so_far[place] += number * max(0.0, min(1.0, share))
    return {
        type_: Happened(*(round(number, _DECIMALS) for number in numbers))
        for type_, numbers in found.items()
    }


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All that was read."""

    standing: Standing
    shown: Shown
    minutes: Sequence[Minute]
    due_from: Mapping[str, Instant]
    next_lease_ends_at: Instant | None


def stats(facts: Facts) -> Stats:
    """Put the numbers together."""
    standing, now = facts.standing, facts.standing.now
    lately = rates(facts.minutes, now)
    # What is scheduled for later is not due.
    due = {type_: at for type_, at in facts.due_from.items() if at <= now}
    types = tuple(
        TypeStats(
            type=type_,
            counts=standing.by_type[type_],
            oldest_due_at=due.get(type_),
            rates=lately.get(type_, NOTHING),
        )
        for type_ in facts.shown.types
    )
    return Stats(
        now=now,
        counts=standing.by_type.get(ALL_TYPES, NONE),
        oldest_pending_at=standing.oldest_pending_at,
        oldest_due_at=min(due.values(), default=None),
        next_lease_ends_at=facts.next_lease_ends_at,
        rates=lately.get(ALL_TYPES, NOTHING),
        types=types,
        types_truncated=facts.shown.truncated,
    )


def guidance(found: Stats) -> AgentContract:
    """Guide whoever reads the numbers: there is work to take, or there is none."""
    first, second = actions.CREATE, actions.CLAIM_NEXT
    if found.oldest_due_at is not None:
        first, second = second, first
    return AgentContract(next_actions=(recommended(first), second))
