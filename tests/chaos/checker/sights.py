"""What answers show of tasks: each answer taken apart into the tasks in it."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

from tests.chaos.checker.instants import instant
from tests.chaos.history import Operation

READ: Final = "read"
CLAIM: Final = "claim"
VERBS: Final = frozenset(
    {"create", "heartbeat", "complete", "fail", "release", "cancel", "requeue"}
)
CLAIMS: Final = frozenset({"claim", "claim_task"})
ENDED: Final = frozenset({"completed", "cancelled", "dead_letter"})
FOREVER: Final = frozenset({"completed", "cancelled"})
# What a read must show to be judged; one of chosen fields may not.
ENOUGH: Final = frozenset({"id", "status", "updatedAt", "attemptCount"})
# A field that an answer leaves out: nothing is known of it.
MISSING: Final = "…"
_encoder = msgspec.json.Encoder(order="deterministic")


class Shown(NamedTuple):
    """The part of a task that changes, as an answer shows it; instants in milliseconds."""

    status: str
    attempts: Any
    claimed_by: Any
    claimed_at: Any
    lease_ends: Any
    beat_at: Any
    updated_at: Any
    scheduled_at: Any
    completed_at: Any
    failed_at: Any
    reason: Any
    result: Any
    output: Any
    cancel_at: Any


class Sight(NamedTuple):
    """A task in an answer, and what the request did to it: a verb, or read."""

    operation: Operation
    id: str
    task: dict[str, Any]
    verb: str
    token: str | None
    shown: Shown


class Lease(NamedTuple):
    """One lease as the history shows it: its claim, and the last end that was acknowledged."""

    token: str
    claim: Sight
    ends: int

    @property
    def began(self) -> int:
        return int(self.claim.shown.claimed_at)


def canonical(value: object) -> bytes:
    """Write a JSON value so that equal values are equal bytes."""
    return _encoder.encode(value)


def shown(task: dict[str, Any]) -> Shown:
    """Read the changing part of a task."""
    get = task.get
    result, output = get("result", MISSING), get("outputId", MISSING)
    return Shown(
        task["status"],
        get("attemptCount", MISSING),
        get("claimedBy", MISSING),
        _at(get("claimedAt", MISSING)),
        _at(get("leaseExpiresAt", MISSING)),
        _at(get("lastHeartbeatAt", MISSING)),
        _at(get("updatedAt", MISSING)),
        _at(get("scheduledAt", MISSING)),
        _at(get("completedAt", MISSING)),
        _at(get("lastFailedAt", MISSING)),
        get("lastFailureReason", MISSING),
        result if result is None or result is MISSING else canonical(result),
        output,
        # Left out of a whole task: nobody asked for it back.
        _at(get("cancelRequestedAt", None if "claimedBy" in task else MISSING)),
    )


def sights(operation: Operation) -> Iterator[Sight]:
    """Give every task that an acknowledged request shows."""
    body = operation.body
    if operation.outcome != "ok" or body is None:
        return
    name = operation.name
    if name in CLAIMS:
        yield from _claimed(operation, body)
    elif name in VERBS:
        yield _sight(operation, body, name, operation.lease_token)
        if body.get("next_task"):
            token = body.get("next_lease_token")
            yield _sight(operation, body["next_task"], CLAIM, token)
    elif name == "get" and body.keys() >= ENOUGH:
        yield _sight(operation, body, READ, None)
    elif name == "list":
        for item in body.get("items", ()):
            if item.keys() >= ENOUGH:
                yield _sight(operation, item, READ, None)


def _claimed(operation: Operation, body: dict[str, Any]) -> Iterator[Sight]:
    several = body.get("tasks")
    if several:
        for one in several:
            yield _sight(operation, one["task"], CLAIM, one["lease_token"])
    elif body.get("task"):
        yield _sight(operation, body["task"], CLAIM, body.get("lease_token"))


def _sight(operation: Operation, task: dict[str, Any], verb: str, token: str | None) -> Sight:
    return Sight(operation, task["id"], task, verb, token, shown(task))


def _at(value: Any) -> Any:  # noqa: ANN401 - what JSON holds
    return instant(value) if isinstance(value, str) and value is not MISSING else value
