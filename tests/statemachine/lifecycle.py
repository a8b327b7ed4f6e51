"""The life of one task in the model: each verb gives the task after it, or refuses."""

import json
from dataclasses import replace
from typing import Final

from tests.statemachine.task import SECOND, Json, Task

RELEASES_MAX: Final = 10


class Refused(Exception):
    """What a verb answers that is not allowed; nothing has changed then."""

    def __init__(
        self,
        code: str,
        task: Task | None = None,
        reason: str | None = None,
        *,
        wait: int = 0,
        live: int = 0,
        then: Json | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.task = task
        self.reason = reason
        self.wait = wait
        self.live = live
        self.then = then


def settled(task: Task, now: int) -> Task:
    """Apply an expiry that is due."""
    return _given_back(task, now) if task.over(now) else task


def claim(task: Task, now: int) -> Task:
    """Start an attempt at a settled task."""
    if task.status != "pending":
        raise Refused("invalid_transition", task)
    if not task.due(now):
        raise Refused("not_yet_claimable", task)
    return replace(
        task,
        status="claimed",
        attempts=task.attempts + 1,
        claimed=now,
        expires=now + task.lease_seconds * SECOND,
        beat=None,
        updated=now,
        given_back=None,
    )


def unclaimed(task: Task) -> Task:
    """Show a task that was claimed again at once as its failure had left it."""
    assert task.failed is not None
    before = replace(task, status="pending", attempts=task.attempts - 1, asked_back=None)
    return _freed(before, task.failed)


def heartbeat(task: Task, now: int, token: str | None) -> Task:
    """Renew the lease."""
    _check_held(task, now, token)
    ends = max(task.expires or 0, now + task.lease_seconds * SECOND)
    return replace(task, expires=ends, beat=now)


def complete(task: Task, now: int, body: Json) -> Task:
    """End the task well."""
    token, result, output = body.get("lease_token"), body.get("result"), body.get("output_id")
    if task.status == "completed" and token is not None and token == task.lease:
        same = (task.output, _sorted(task.result)) == (output, _sorted(result))
        if same:
            return task
    _check_held(task, now, token)
    return replace(
        task,
        status="completed",
        completed=now,
        expires=None,
        updated=now,
        result=result,
        output=output,
    )


def fail(task: Task, now: int, body: Json) -> Task:
    """End the attempt badly."""
    sent = _sent("fail", body)
    if _repeated(task, sent):
        return task
    _check_held(task, now, sent[1])
    return _failed(task, now, sent)


def release(task: Task, now: int, body: Json) -> Task:
    """Undo the claim."""
    sent = _sent("release", body)
    if _repeated(task, sent):
        return task
    _check_held(task, now, sent[1])
    if task.releases >= RELEASES_MAX:
        return _failed(task, now, sent)
    status = "pending" if task.asked_back is None else "cancelled"
    delay = sent[3] if status == "pending" else None
    return replace(
        _freed(replace(task, status=status), now),
        attempts=task.attempts - 1,
        releases=task.releases + 1,
        scheduled=task.scheduled if delay is None else now + delay * SECOND,
        given_back=sent,
    )


def cancel(task: Task, now: int) -> Task:
    """Withdraw what nobody holds."""
    if task.live(now):
        raise Refused("task_currently_claimed", task)
    task = settled(task, now)
    if task.status != "pending":
        raise Refused("invalid_transition", task)
    return replace(task, status="cancelled", updated=now)


def request_cancel(task: Task, now: int) -> Task:
    """Withdraw also what somebody holds."""
    if not task.live(now):
        return cancel(task, now)
    return replace(task, asked_back=task.asked_back or now)


def requeue(task: Task, now: int) -> Task:
    """Give a dead task all its attempts."""
    task = settled(task, now)
    if task.status != "dead_letter":
        raise Refused("invalid_transition", task)
    return replace(task, status="pending", attempts=0, releases=0, scheduled=None, updated=now)


def _check_held(task: Task, now: int, token: str | None) -> None:
    if token is not None and token != task.lease:
        raise Refused("lease_expired", task, "superseded")
    if task.status != "claimed":
        raise Refused("invalid_transition", task)
    if not task.live(now):
        raise Refused("lease_expired", task, "expired")


def _sent(verb: str, body: Json) -> tuple[str, str | None, str | None, int | None]:
    return (verb, body.get("lease_token"), body.get("reason"), body.get("retry_after_seconds"))


def _repeated(task: Task, sent: tuple[str, str | None, str | None, int | None]) -> bool:
    return sent[1] is not None and sent[1] == task.lease and task.given_back == sent


def _failed(task: Task, now: int, sent: tuple[str, str | None, str | None, int | None]) -> Task:
    _, token, reason, delay = sent
    back = _given_back(task, now)
    scheduled = task.scheduled
    if back.status == "pending":
        scheduled = None if delay is None else now + delay * SECOND
    return replace(
        back,
        scheduled=scheduled,
        failed=now,
        failure=reason,
        given_back=None if token is None else sent,
    )


def _given_back(task: Task, now: int) -> Task:
    if task.asked_back is not None:
        status = "cancelled"
    else:
        status = "pending" if task.attempts_left else "dead_letter"
    return _freed(replace(task, status=status), now)


def _freed(task: Task, now: int) -> Task:
    return replace(task, worker=None, claimed=None, expires=None, beat=None, updated=now)


def _sorted(value: Json | None) -> str:
    return json.dumps(value, sort_keys=True)
