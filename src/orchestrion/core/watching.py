"""What a caller waits for tasks to come to, and whether they have."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from orchestrion.core.ids import TaskId
from orchestrion.core.instants import Instant
from orchestrion.core.task import CANCELLED, COMPLETED, ENDED, Status, Task

# No verb changes these any more; a dead task may be requeued.
_FINAL: Final = frozenset({COMPLETED, CANCELLED})


class Until(StrEnum):
    """What counts: that a task has ended, or that it is not as it was."""

    TERMINAL = "terminal"
    CHANGE = "change"


class Mode(StrEnum):
    """Of how many tasks."""

    ANY = "any"
    ALL = "all"


class Mark(msgspec.Struct, frozen=True):
    """What of a task tells a change of its state. A heartbeat is none."""

    status: Status
    attempt_count: int
    updated_at: Instant
    cancel_requested_at: Instant | None


Marks = Mapping[TaskId, Mark]


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """What is waited for."""

    ids: Sequence[TaskId]
    mode: Mode = Mode.ANY
    until: Until = Until.TERMINAL

    def met_by(self, first: Mark, latest: Mark | None) -> bool:
        """Tell whether a task has come to it; one that is gone has, and one that stays as it is."""
        if latest is None:
            return True
        if self.until is Until.TERMINAL:
            return latest.status in ENDED
        return latest.status in _FINAL or latest != first

    def reached(self, met: int, of: int) -> bool:
        """Tell whether enough of them have. Nobody waits for tasks that were not there."""
        return met == of or (met > 0 and self.mode is Mode.ANY)


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the tasks: those that came to it, those that have not, those not there."""

    met: Sequence[TaskId]
    remaining: Sequence[TaskId]
    missing: Sequence[TaskId]
    timed_out: bool


def seen(goal: Goal, first: Marks, latest: Mapping[TaskId, Mark | None]) -> Seen:
    """Sum up a wait: `first` is how the tasks were when it began, as far as they were there."""
    met, remaining, missing = [], [], []
    for task_id in goal.ids:
        mark = latest.get(task_id)
        if mark is None or task_id not in first:
            missing.append(task_id)
        elif goal.met_by(first[task_id], mark):
            met.append(task_id)
        else:
            remaining.append(task_id)
    came = len(first) - len(remaining)
    return Seen(
        met=met,
        remaining=remaining,
        missing=missing,
        timed_out=not goal.reached(came, len(first)),
    )


def mark_of(task: Task) -> Mark:
    """Read off a task what tells a change."""
    return Mark(task.status, task.attempt_count, task.updated_at, task.cancel_requested_at)
