"""Holds what the API answered against what the demonstration promises."""

from collections import Counter
from collections.abc import Iterator
from signal import SIGKILL

import msgspec

from orchestrion.demo.events import Kind
from orchestrion.demo.story import Ending
from orchestrion.demo.wire import Task


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """A sentence and what speaks against it; kept if nothing does."""

    text: str
    against: list[str]


def promises(ending: Ending) -> list[Promise]:
    """Check every promise."""
    number = len(ending.cast.tasks)
    checks = {
        f"all {number} tasks were completed, each exactly once": _completed(ending),
        "a creation sent twice with one idempotency key made one task": _created_once(ending),
        f"{ending.victim.worker} was killed in the middle of its task": _killed(ending),
        "another worker finished that task, after the lease had ended": _taken_over(ending),
        "a task that failed for good was requeued and completed": _mended(ending),
    }
    return [Promise(text=text, against=list(against)) for text, against in checks.items()]


def _completed(ending: Ending) -> Iterator[str]:
    created = {task.id for task in ending.cast.tasks}
    final = Counter(task.id for task in ending.final)
    if final != Counter(created):
        yield f"{len(created)} tasks were created, {final.total()} are listed"
    told = Counter(event.task_id for event in ending.events if event.kind is Kind.COMPLETED)
    for task in ending.final:
        if task.status != "completed" or task.result is None:
            yield f"{task.payload.path} is {task.status}: {task.last_failure_reason}"
        elif told[task.id] != 1:
            yield f"{task.payload.path} was completed by {told[task.id]} attempts"


def _created_once(ending: Ending) -> Iterator[str]:
    first, second = ending.cast.long.id, ending.cast.repeated.id
    if first != second:
        yield f"the answers were {first} and {second}"


def _killed(ending: Ending) -> Iterator[str]:
    if ending.exit_status != -SIGKILL:
        yield f"its process ended with {ending.exit_status}"
    task = ending.orphaned
    if task.status != "claimed" or task.claimed_by != ending.victim.worker:
        yield f"its task was {task.status} by then, in the hands of {task.claimed_by}"
    elif not task.agent_contract.lease_valid or task.last_heartbeat_at is None:
        yield "its lease was not live"


def _taken_over(ending: Ending) -> Iterator[str]:
    task, orphaned = _final(ending, ending.orphaned), ending.orphaned
    if task.status != "completed" or task.attempt_count != orphaned.attempt_count + 1:
        yield f"it is {task.status} after {task.attempt_count} attempts"
    if task.claimed_by == ending.victim.worker:
        yield f"it was {task.claimed_by} again"
    ends_at = orphaned.lease_expires_at
    if task.claimed_at is None or ends_at is None or task.claimed_at < ends_at:
        yield f"the lease ended at {ends_at}, the next claim was at {task.claimed_at}"


def _mended(ending: Ending) -> Iterator[str]:
    dead, requeued, final = ending.dead, ending.requeued, _final(ending, ending.dead)
    if dead.status != "dead_letter" or dead.attempt_count != dead.max_attempts:
        yield f"it was {dead.status} after {dead.attempt_count} attempts"
    if requeued.status != "pending" or requeued.attempt_count:
        yield f"requeue left it {requeued.status} with {requeued.attempt_count} attempts"
    if final.status != "completed":
        yield f"it is {final.status} in the end"


def _final(ending: Ending, task: Task) -> Task:
    return next((final for final in ending.final if final.id == task.id), task)
