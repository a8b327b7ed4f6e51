"""The operations on one task, as requests: nothing here sends or waits."""

import math
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from orchestrion.client.answers import read_claimed, read_held, read_page
from orchestrion.client.call import Call, Repeat, task_path
from orchestrion.client.errors import Refusal, error_of
from orchestrion.client.payload import Payload, encoded, encoded_object
from orchestrion.client.schedule import instant_text
from orchestrion.client.task import Claimed, Held, NewTask, Page, Task, read_task

REASON_LENGTH_MAX = 500
RETRY_AFTER_SECONDS_MAX = 86_400


def new_key() -> str:
    """Make an idempotency key nobody else has."""
    return secrets.token_hex(16)


def creation(task: NewTask, now: datetime | None = None) -> dict[str, Any]:
    """Give the body of a create, with a key of its own where the caller gave none.

    A relative `run_at` counts from `now`, the present unless given.
    """
    body: dict[str, Any] = {
        "type": task.type,
        "payload": encoded_object(task.payload),
        "priority": task.priority,
        "maxAttempts": task.max_attempts,
        "leaseDurationSeconds": task.lease_seconds,
        "idempotencyKey": _key(task.idempotency_key),
    }
    if task.run_at is not None:
        body["scheduledAt"] = instant_text(task.run_at, now or datetime.now(UTC))
    return body


def create(task: NewTask, now: datetime | None = None) -> Call[Task]:
    """Create a task. Its idempotency key makes a repeat the same task."""
    body = encoded(creation(task, now))
    return Call(method="POST", path="/v1/tasks", body=body, decode=read_task)


def get(task_id: str) -> Call[Task]:
    """Read a task."""
    return Call(method="GET", path=task_path(task_id), decode=read_task)


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """Which tasks to list; None: all."""

    status: str | None = None
    type: str | None = None
    claimed_by: str | None = None
    limit: int | None = None
    cursor: str | None = None


def list_page(filters: Filters) -> Call[Page]:
    """Read one page of tasks."""
    query = {
        key: str(value)
        for key, value in msgspec.structs.asdict(filters).items()
        if value is not None
    }
    return Call(method="GET", path="/v1/tasks", query=query, decode=read_page)


class Claiming(msgspec.Struct, frozen=True, kw_only=True):
    """What to claim, and how long to wait for it in this request."""

    types: tuple[str, ...]
    worker_id: str | None = None
    wait_seconds: int = 0
    max_tasks: int = 1
    idempotency_key: str | None = None


def claim(claiming: Claiming) -> Call[Claimed]:
    """Claim by type. The key makes a repeat hand out the same tasks under the same tokens."""
    body = _given(
        types=claiming.types,
        worker_id=claiming.worker_id,
        wait_seconds=claiming.wait_seconds,
        max_tasks=claiming.max_tasks,
    )
    return Call(
        method="POST",
        path="/v1/tasks/claim",
        headers={"Idempotency-Key": _key(claiming.idempotency_key)},
        body=encoded(body),
        wait_seconds=claiming.wait_seconds,
        decode=read_claimed,
    )


def claim_by_id(task_id: str, worker_id: str | None = None) -> Call[Held]:
    """Claim a certain task; the key makes a repeat answer the same token."""
    return Call(
        method="POST",
        path=task_path(task_id, "claim"),
        headers={"Idempotency-Key": new_key()},
        body=encoded(_given(worker_id=worker_id)),
        decode=read_held,
    )


def heartbeat(task_id: str, lease_token: str) -> Call[Task]:
    """Renew a lease; a repeat renews it again, which adds nothing."""
    return _finish(task_id, "heartbeat", {"lease_token": lease_token})


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended well."""

    result: Payload | None = None
    output_id: str | None = None


def complete(task_id: str, lease_token: str, ending: Ending) -> Call[Task]:
    """Finish an attempt; the token makes a repeat answer the same."""
    return _finish(task_id, "complete", completion(lease_token, ending))


def completion(lease_token: str, ending: Ending) -> dict[str, Any]:
    """Give the body of a complete."""
    result = None if ending.result is None else encoded_object(ending.result)
    return _given(lease_token=lease_token, result=result, output_id=ending.output_id)


class GivingBack(msgspec.Struct, frozen=True, kw_only=True):
    """Why an attempt is given back, and in how many seconds it may be claimed again."""

    reason: str | None = None
    retry_after: float | timedelta | None = None


def giving_back(lease_token: str, back: GivingBack) -> dict[str, Any]:
    """Give the body of a fail or a release."""
    return _given(
        lease_token=lease_token,
        reason=None if back.reason is None else _sayable(back.reason),
        retry_after_seconds=_seconds(back.retry_after),
    )


def fail(task_id: str, lease_token: str, back: GivingBack) -> Call[Task]:
    """Give an attempt back as failed; the token makes a repeat answer the same."""
    return _give_back(task_id, "fail", giving_back(lease_token, back))


def release(task_id: str, lease_token: str, back: GivingBack) -> Call[Task]:
    """Take a claim back; the token makes a repeat answer the same."""
    return _give_back(task_id, "release", giving_back(lease_token, back))


def cancel(task_id: str, *, force: bool) -> Call[Task]:
    """Cancel a task. Where a repeat is refused the task tells whether the first took effect."""

    def settle(refusal: Refusal) -> Call[Task] | None:
        return _if_cancelled(task_id, refusal) if refusal.code == "invalid_transition" else None

    return Call(
        method="POST",
        path=task_path(task_id, "cancel"),
        body=encoded({"force": True}) if force else None,
        decode=read_task,
        settle=settle,
    )


def _if_cancelled(task_id: str, refusal: Refusal) -> Call[Task]:
    def decode(body: bytes) -> Task:
        task = read_task(body)
        if task.status != "cancelled":
            raise error_of(refusal)
        return task

    return Call(method="GET", path=task_path(task_id), decode=decode)


def requeue(task_id: str) -> Call[Task]:
    """Give a dead-lettered task a new start.

    A repeat could give a second start to a task that has failed again in between: it goes out
    only where the first surely took no effect.
    """
    return Call(
        method="POST", path=task_path(task_id, "requeue"), repeat=Repeat.UNSENT, decode=read_task
    )


def _finish(task_id: str, verb: str, body: dict[str, Any]) -> Call[Task]:
    return Call(method="POST", path=task_path(task_id, verb), body=encoded(body), decode=read_task)


def _give_back(task_id: str, verb: str, body: dict[str, Any]) -> Call[Task]:
    def settle(refusal: Refusal) -> Call[Task] | None:
        # Somebody has claimed the task since, as one may once it is given back.
        over = refusal.details.get("reason") == "superseded"
        return get(task_id) if over else None

    return Call(
        method="POST",
        path=task_path(task_id, verb),
        body=encoded(body),
        decode=read_task,
        settle=settle,
    )


def _key(given: str | None) -> str:
    if given is None:
        return new_key()
    if not (given and given.isascii() and given.isprintable()):
        raise ValueError("An idempotency key has 1 to 255 printable ASCII characters.")
    return given


def _given(**fields: object) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _sayable(reason: str) -> str:
    # What the server refuses in any text would keep the failure from being known.
    clean = reason.replace("\0", "\ufffd").encode(errors="replace").decode()
    return clean[:REASON_LENGTH_MAX]


def _seconds(wait: float | timedelta | None) -> int | None:
    if wait is None:
        return None
    seconds = wait.total_seconds() if isinstance(wait, timedelta) else wait
    if not math.isfinite(seconds):
        raise ValueError(f"retry_after {seconds} is no number of seconds.")
    # Sooner than asked would be a surprise; later by less than a second is none.
    return min(math.ceil(seconds), RETRY_AFTER_SECONDS_MAX) if seconds > 0 else None
