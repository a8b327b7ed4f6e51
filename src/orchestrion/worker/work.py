"""One attempt on its way through the worker, and what the two sides tell each other of it."""

import threading
import time
from collections.abc import Callable

import msgspec

from orchestrion.client.keeping import Kept
from orchestrion.worker.context import Context
from orchestrion.worker.handler import Handler
from orchestrion.worker.reports import Report
from orchestrion.worker.slots import Lane


class Work:
    """A claimed task: the office holds its lease, the floor runs its handler."""

    def __init__(self, kept: Kept, handler: Handler, context: Context, lane: Lane) -> None:
        self.kept = kept
        self.handler = handler
        self.context = context
        self.lane = lane
        # The office decides how it ends, once; what comes later is discarded.
        self.settled = False
        self.began_at = time.monotonic()
        self._right = threading.Lock()

    def take(self) -> bool:
        """Take the right to start it, or to give it back unstarted: one caller gets it."""
        return self._right.acquire(blocking=False)

    def __str__(self) -> str:
        task = self.kept.held.task
        return f"{task.id} ({task.type}, attempt {task.attempt_count})"


class Ended(msgspec.Struct, frozen=True):
    """The floor tells how an attempt ended; no report where nobody else is to be told."""

    work: Work
    report: Report | None


class Freed(msgspec.Struct, frozen=True):
    """The floor tells that nothing of an attempt runs any more: its slot is free."""

    work: Work


class Begun(msgspec.Struct, frozen=True):
    """The floor tells that it has taken over what it was given."""

    told: Callable[[], None]


Message = Ended | Freed | Begun
