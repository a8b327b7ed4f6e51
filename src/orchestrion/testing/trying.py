"""Runs one handler once, as a worker would, with no server and no network."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from orchestrion.client.task import Task
from orchestrion.worker.attempt import Attempt, Equipment
from orchestrion.worker.context import Context, State
from orchestrion.worker.handler import Handler
from orchestrion.worker.reports import Completed, Failed, Report
from orchestrion.worker.threads import Threads

TASK_ID: Final = "tsk_00000000000000000000000000"
# As servers recommend it: three heartbeats in each lease.
HEARTBEATS_PER_LEASE: Final = 3


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended: completed, failed, or neither where its lease was lost.

    `result` is what the API would show; `retry_after` is in seconds, None where the task is
    handed out again at once; `heartbeats` is how many a worker would have sent meanwhile.
    """

    completed: bool = False
    result: dict[str, Any] | None = None
    output_id: str | None = None
    failed: bool = False
    reason: str | None = None
    retry_after: int | None = None
    heartbeats: int = 0


class TrialLease:
    """The lease that `ctx` shows; a test may change it while the handler runs."""

    def __init__(
        self, *, remaining: float = 300.0, lost: bool = False, cancel_requested: bool = False
    ) -> None:
        # In seconds.
        self.remaining = remaining
        self.lost = lost
        self.cancel_requested = cancel_requested


async def run_task(  # noqa: PLR0913 - a call reads better than a struct
    handler: Callable[..., Any] | Handler,
    payload: Mapping[str, Any],
    *,
    attempt: int = 1,
    max_attempts: int = 3,
    task_type: str = "task",
    lease_seconds: int = 300,
    lease: TrialLease | None = None,
    state: Mapping[str, object] | None = None,
) -> Outcome:
    """Call a handler, decorated or not, with a payload as it would arrive, and tell how it ended.

    A function has no timeout and no backoff; `worker.handlers[type]` has those it was given.
    The payload is validated and the result written as JSON, as in a worker; plain functions run
    in a thread. `ctx.state` has what `state` names; hooks and middleware of a worker do not run.
    Raises TypeError for a function that is no handler, or a payload that is no JSON object.
    """
    task = Task(
        id=TASK_ID,
        type=task_type,
        payload=_as_it_arrives(payload),
        status="claimed",
        attempt_count=attempt,
        max_attempts=max_attempts,
        lease_duration_seconds=lease_seconds,
        lease_expires_at=datetime.now(UTC) + timedelta(seconds=lease_seconds),
    )
    context = Context(task, lease or TrialLease(remaining=lease_seconds), State(**(state or {})))
    threads = Threads(1)
    began = time.monotonic()
    try:
        report = await Attempt(
            handler_of(handler, task_type), context, Equipment(threads=threads)
        ).run()
    finally:
        threads.close()
    interval = lease_seconds / HEARTBEATS_PER_LEASE
    return _outcome(report, int((time.monotonic() - began) / interval))


def handler_of(function: Callable[..., Any] | Handler, task_type: str) -> Handler:
    """Prepare a function as a worker does."""
    handler = function if isinstance(function, Handler) else Handler(task_type, function)
    handler.prepare()
    return handler


def _as_it_arrives(payload: Mapping[str, Any]) -> dict[str, Any]:
    arrived = msgspec.json.decode(msgspec.json.encode(payload))
    if not isinstance(arrived, dict):
        raise TypeError(f"a payload is a JSON object, not {type(payload).__name__}")
    return arrived


def _outcome(report: Report | None, heartbeats: int) -> Outcome:
    if isinstance(report, Completed):
        result = None if report.result is None else msgspec.json.decode(report.result)
        return Outcome(
            completed=True, result=result, output_id=report.output_id, heartbeats=heartbeats
        )
    if isinstance(report, Failed):
        return Outcome(
            failed=True,
            reason=report.reason,
            retry_after=report.retry_after,
            heartbeats=heartbeats,
        )
    return Outcome(heartbeats=heartbeats)
