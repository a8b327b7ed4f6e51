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


class Change(msgspec.Struct, frozen=True):
    """By how much the numbers of a type change, or of all types.

    `standing` is in the order of `Counts`, `happened` in that of `Happened`.
    """

    account_id: AccountId
    type: str
    standing: Sequence[int]
    happened: Sequence[int]


class Tally:
    """Counts what happens to tasks, as it happens."""

    __slots__ = ("_changes",)

    def __init__(self) -> None:
        self._changes: dict[tuple[AccountId, str], list[int]] = {}

    def created(self, task: Task) -> None:
        """Count a new task."""
        change = self._of(task)
        change[_STANDING[task.status]] += 1
        change[_CREATED] += 1

    def moved(self, before: Task, after: Task, now: Instant) -> None:
        """Count what became of a task. An attempt has failed too if its lease ended."""
        expired = before.lease_over(now)
        if before.status is after.status and not expired:
            return
        change = self._of(after)
        change[_STANDING[before.status]] -= 1
        change[_STANDING[after.status]] += 1
        reached = _REACHED.get(after.status)
        if reached is not None:
            change[reached] += 1
        if expired or _given_up(before, after):
            change[_FAILED] += 1

    def deleted(self, task: Task) -> None:
        """Count a task that is no more."""
        self._of(task)[_STANDING[task.status]] -= 1

    def changes(self) -> list[Change]:
        """Give what changed by account and type, and of all types together, in that order."""
        together: dict[AccountId, list[int]] = {}
        for (account_id, _), change in self._changes.items():
            kept = together.get(account_id)
            together[account_id] = (
                change if kept is None else [a + b for a, b in zip(kept, change, strict=True)]
            )
        totals = {(account_id, ALL_TYPES): change for account_id, change in together.items()}
        return [
            Change(account_id, type_, change[:_STATES], change[_STATES:])
            for (account_id, type_), change in sorted((totals | self._changes).items())
        ]

    def _of(self, task: Task) -> list[int]:
        key = (task.account_id, task.type)
        found = self._changes.get(key)
        if found is None:
            found = self._changes[key] = [0] * _PLACES
        return found


def minute_of(instant: Instant) -> Instant:
    """Give the instant the minute began at."""
    return Instant(instant - instant % MINUTE)


def _given_up(before: Task, after: Task) -> bool:
    # A release gives the attempt back, and so does a claim whose answer nobody heard.
    return (
        before.status is CLAIMED
        and after.status is not COMPLETED
        and after.attempt_count == before.attempt_count
    )
