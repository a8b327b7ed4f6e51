"""What a handler may know about its attempt."""

import logging
from collections.abc import MutableMapping
from types import SimpleNamespace
from typing import Any, Final, Protocol

from orchestrion.client.task import Task
from orchestrion.worker.outcomes import LeaseLost

LOG: Final = logging.getLogger("orchestrion.task")


class State(SimpleNamespace):
    """What start-up hooks prepare and handlers use, under names of your choice."""


class Lease(Protocol):
    """The lease of an attempt, as `orchestrion.client.keeping.Kept` has it."""

    lost: bool
    cancel_requested: bool

    @property
    def remaining(self) -> float:
        """Seconds until it ends unless it is renewed."""
        ...


class TaskLog(logging.LoggerAdapter[logging.Logger]):
    """Names the task in each line, and binds its id, type and attempt to the record."""

    def process(
        self,
        msg: object,
        kwargs: MutableMapping[str, Any],
    ) -> tuple[object, MutableMapping[str, Any]]:
        said, kwargs = super().process(msg, kwargs)
        return f"{self.extra['task_id'] if self.extra else ''} {said}", kwargs


class Context:
    """One attempt: handlers that take a second argument get it. Safe to use from any thread."""

    def __init__(self, task: Task, lease: Lease, state: State | None = None) -> None:
        self.task = task
        self.state: Any = state if state is not None else State()
        self._lease = lease
        self._over = ""

    @property
    def attempt(self) -> int:
        """Which attempt this is; 1 is the first."""
        return self.task.attempt_count

    @property
    def lease_remaining(self) -> float:
        """Seconds until the lease ends; the worker renews it meanwhile, so it grows again."""
        return self._lease.remaining

    @property
    def lost(self) -> bool:
        """True once nothing this handler returns will be sent: stop working.

        The lease is lost, the timeout has passed, or the worker has stopped waiting for it.
        """
        return self._lease.lost or bool(self._over)

    @property
    def cancel_requested(self) -> bool:
        """True once somebody has asked to have the task cancelled, as the last heartbeat said.

        Raise, and the task is cancelled; return, and it is completed.
        """
        return self._lease.cancel_requested

    @property
    def log(self) -> TaskLog:
        """A logger that names the task."""
        bound = {"task_id": self.task.id, "type": self.task.type, "attempt": self.attempt}
        return TaskLog(LOG, bound)

    def raise_if_lost(self) -> None:
        """Raise LeaseLost if `lost`; call it between the steps of long work."""
        if self.lost:
            raise LeaseLost(f"{self.task.id}: {self._over or 'the lease is lost'}; stop the work")

    def end(self, why: str) -> None:
        """Mark the attempt as over; the runtime's, not the handler's."""
        self._over = self._over or why
