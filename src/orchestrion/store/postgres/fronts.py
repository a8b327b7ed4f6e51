"""Where claims begin to look: past what was claimed before, which may still lie in the indexes.

While somebody holds an old snapshot PostgreSQL cleans nothing up, and a claim that starts at the
head of its index walks over every task claimed since. So it starts where the last one left off.
That is safe for tasks that have always waited: under the account's lock each is put behind those
that are there. What came back to the queue stands in an index of its own and is always looked at.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Final

import msgspec

from orchestrion.core.instants import Instant
from orchestrion.core.task import CLAIMED, PENDING, Task
from orchestrion.core.view import TypeKey, View

# A row that another transaction held for a moment was passed over: look at everything this often.
WHOLE_LOOK_SECONDS: Final = 5.0
# Looks at everything that take longer than this are made so seldom that they cost such a share.
BRIEF_SECONDS: Final = 0.005
SHARE: Final = 0.1
TYPES_MAX: Final = 10_000


class Front(msgspec.Struct, frozen=True):
    """How far the claims of a type have come, by priority and among the leases that ended."""

    due_at: dict[int, Instant]
    ended_after: Instant
    # The time of the last transaction: what ended before it, the next one sees.
    seen_at: Instant
    whole_until: float
    # When a claim that found too little may look at everything.
    again_at: float


NOWHERE: Final = Front({}, Instant(0), Instant(0), 0.0, 0.0)


class Look(msgspec.Struct, frozen=True):
    """What claims of a type found, in their order, and where they began."""

    began: Front
    pending: Sequence[Task]
    overdue: Sequence[Task]
    # Fewer rows than were asked for: then there were no more.
    short: bool
    every_overdue: bool


class Fronts:
    """The fronts of one server."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._of: dict[TypeKey, Front] = {}

    def of(self, key: TypeKey) -> Front:
        """Say where to begin; nowhere if it is time to look at everything."""
        front = self._of.get(key, NOWHERE)
        if front is NOWHERE or self._monotonic() < front.whole_until:
            return front
        self._put_off(key, front)
        return NOWHERE

    def again(self, key: TypeKey, look: Look) -> bool:
        """Tell whether a claim that found too little past its front should look at everything."""
        if not look.short or self._monotonic() < look.began.again_at:
            return False
        self._put_off(key, look.began)
        return True

    def whole(self, key: TypeKey, seconds: float) -> Front:
        """Begin a front after everything was looked at, which took so long."""
        now = self._monotonic()
        pause = seconds / SHARE if seconds > BRIEF_SECONDS else 0.0
        seen_at = self._of.get(key, NOWHERE).seen_at
        return Front({}, Instant(0), seen_at, now + max(WHOLE_LOOK_SECONDS, pause), now + pause)

    def advance(self, view: View, looks: dict[TypeKey, Look]) -> None:
        """Take note of what a transaction has left behind, once it has happened."""
        if len(self._of) > TYPES_MAX:
            self._of.clear()
        for key, look in looks.items():
            if look.short and look.began.again_at <= self._monotonic():
                # Looking at everything is cheap here, and the next claim would do it anyway.
                self._of.pop(key, None)
                continue
            self._of[key] = msgspec.structs.replace(
                look.began,
                due_at=look.began.due_at | _due_at(view, look.pending),
                ended_after=_ended_after(view, look),
                seen_at=view.now,
            )

    def _put_off(self, key: TypeKey, front: Front) -> None:
        # A look that breaks, because it takes too long, must not be repeated by every claim.
        later = self._monotonic() + WHOLE_LOOK_SECONDS
        self._of[key] = msgspec.structs.replace(front, whole_until=later, again_at=later)


def _due_at(view: View, pending: Iterable[Task]) -> dict[int, Instant]:
    """Give for each priority the place of the first row that is still there, or of the last."""
    found: dict[int, Instant] = {}
    always_there = (task for task in pending if task.updated_at <= task.created_at)
    for priority, rows in groupby(always_there, lambda task: task.priority):
        for task in rows:
            found[priority] = task.due_at
            now = view.task(task.account_id, task.id)
            if now is not None and now.status is PENDING:
                break
    return found


def _ended_after(view: View, look: Look) -> Instant:
    left = any(
        (now := view.task(task.account_id, task.id)) is not None and now.status is CLAIMED
        for task in look.overdue
    )
    return look.began.seen_at if look.every_overdue and not left else look.began.ended_after
