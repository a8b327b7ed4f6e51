"""What a caller waits for tasks to come to, and whether they have."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

import msgspec

from orchestrion.core.ids import TaskId
from orchestrion.core.instants import Instant
from orchestrion.core.task import ENDED, Status, Task


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

    def met(self, first: Marks, latest: Marks) -> list[TaskId]:
        """Name the tasks that have come to it; one that is gone has."""
        return [
            task_id
            for task_id in self.ids
            if task_id in first and self._is_met(first[task_id], latest.get(task_id))
        ]

    def reached(self, first: Marks, latest: Marks) -> bool:
        """Tell whether enough of them have. Nobody waits for tasks that were not there."""
        met = len(self.met(first, latest))
        return met == len(first) or (met > 0 and self.mode is Mode.ANY)

    def _is_met(self, first: Mark, latest: Mark | None) -> bool:
        if latest is None:
            return True
        return latest.status in ENDED if self.until is Until.TERMINAL else latest != first


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the tasks: those that came to it, those that have not, those not there."""

    met: Sequence[TaskId]
    remaining: Sequence[TaskId]
    missing: Sequence[TaskId]
    timed_out: bool


def seen(goal: Goal, first: Marks, latest: Marks) -> Seen:
    """Sum up a wait."""
    met = goal.met(first, latest)
    return Seen(
        met=[one for one in met if one in latest],
        remaining=[one for one in goal.ids if one in first and one not in met],
        missing=[one for one in goal.ids if one not in latest],
        timed_out=not goal.reached(first, latest),
    )


def mark_of(task: Task) -> Mark:
    """Read off a task what tells a change."""
    return Mark(task.status, task.attempt_count, task.updated_at, task.cancel_requested_at)
