"""What a batch changes in the numbers of an account's tasks: how many there are, what happened."""

from collections.abc import Sequence

import msgspec

from orchestrion.core.ids import AccountId
from orchestrion.core.instants import SECOND, Instant
from orchestrion.core.task import (
    CANCELLED,
    CLAIMED,
    COMPLETED,
    DEAD_LETTER,
    PENDING,
    Status,
    Task,
)

# Where the numbers of all an account's types together stand; no type is called so.
ALL_TYPES = ""
MINUTE = 60 * SECOND

# The places of a change: tasks there are by status, then what happened to tasks.
_STANDING = {PENDING: 0, CLAIMED: 1, COMPLETED: 2, DEAD_LETTER: 3, CANCELLED: 4}
_CREATED, _FAILED = 5, 8
_REACHED = {CLAIMED: 6, COMPLETED: 7, DEAD_LETTER: 9, CANCELLED: 10}
_STATES = len(_STANDING)
_PLACES = 11

# Of which account and type, from which state to which, and whether an attempt failed by it.
_Step = tuple[AccountId, str, Status | None, Status | None, bool]


class Change(msgspec.Struct, frozen=True):
    """By how much the numbers of a type change, or of all types.

    `standing` is in the order of `Counts`, `happened` in that of `Happened`.
    """

    account_id: AccountId
    type: str
    standing: Sequence[int]
    happened: Sequence[int]


class Tally:
    """Counts what happens to tasks, as it happens: of each kind of step how many there were.

    Every write comes by here, so it only counts; what the steps come to is worked out at the end.
    """

    __slots__ = ("_steps",)

    def __init__(self) -> None:
        self._steps: dict[_Step, int] = {}

    def created(self, task: Task) -> None:
        """Count a new task."""
        self._count((task.account_id, task.type, None, task.status, False))

    def moved(self, before: Task, after: Task, now: Instant) -> None:
        """Count what became of a task. An attempt has failed too if its lease ended."""
        was, became = before.status, after.status
        if was is not CLAIMED:
            failed = False
        elif before.lease_alive(now):
            # A release gives the attempt back, and so does a claim whose answer nobody heard.
            failed = became is not COMPLETED and after.attempt_count == before.attempt_count
            if became is CLAIMED:
                return
        else:
            failed = True
        if was is not became or failed:
            self._count((after.account_id, after.type, was, became, failed))

    def deleted(self, task: Task) -> None:
        """Count a task that is no more."""
        self._count((task.account_id, task.type, task.status, None, False))

    def changes(self) -> list[Change]:
        """Give what changed by account and type, and of all types together, in that order."""
        found: dict[tuple[AccountId, str], list[int]] = {}
        for (account_id, type_, was, became, failed), count in self._steps.items():
            for key in ((account_id, type_), (account_id, ALL_TYPES)):
                numbers = found.setdefault(key, [0] * _PLACES)
                for place in _places(was, became):
                    numbers[place] += count
                if was is not None:
                    numbers[_STANDING[was]] -= count
                if failed:
                    numbers[_FAILED] += count
        return [
            Change(account_id, type_, numbers[:_STATES], numbers[_STATES:])
            for (account_id, type_), numbers in sorted(found.items())
        ]

    def _count(self, step: _Step) -> None:
        self._steps[step] = self._steps.get(step, 0) + 1


def minute_of(instant: Instant) -> Instant:
    """Give the instant the minute began at."""
    return Instant(instant - instant % MINUTE)


def _places(was: Status | None, became: Status | None) -> tuple[int, ...]:
    """Name the numbers that a step makes larger."""
    if became is None:
        return ()
    if was is None:
        return (_STANDING[became], _CREATED)
    reached = _REACHED.get(became)
    return (_STANDING[became],) if reached is None else (_STANDING[became], reached)
