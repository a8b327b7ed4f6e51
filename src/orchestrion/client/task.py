"""Tasks as the client shows them: plain frozen data over the wire's names."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Self

import msgspec

from orchestrion.client.contract import NO_CONTRACT, AgentContract
from orchestrion.client.payload import Payload
from orchestrion.client.schedule import RunAt
from orchestrion.client.secret import Discreet

ENDED = frozenset({"completed", "dead_letter", "cancelled"})


# The dictionary of an instance keeps the JSON text it was read from: no field of the wire.
class Task(msgspec.Struct, frozen=True, kw_only=True, rename="camel", dict=True):
    """A task as the server showed it; it does not change afterwards. Instants are aware, UTC.

    `status` is pending, claimed, completed, dead_letter or cancelled. A task from a claim has
    an empty `contract`: the claim's own is in `Claimed.contract`.
    """

    id: str
    type: str = ""
    payload: dict[str, Any] = {}
    status: str = ""
    priority: int = 0
    scheduled_at: datetime | None = None
    attempt_count: int = 0
    max_attempts: int = 0
    lease_duration_seconds: int = 0
    claimed_by: str | None = None
    claimed_at: datetime | None = None
    lease_expires_at: datetime | None = None
    last_heartbeat_at: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    completed_at: datetime | None = None
    last_failed_at: datetime | None = None
    last_failure_reason: str | None = None
    result: dict[str, Any] | None = None
    output_id: str | None = None
    cancel_requested_at: datetime | None = None
    contract: AgentContract = msgspec.field(default=NO_CONTRACT, name="agent_contract")

    @property
    def ended(self) -> bool:
        """Tell whether no worker waits for it any more: completed, cancelled or dead-lettered."""
        return self.status in ENDED

    @property
    def raw(self) -> dict[str, Any]:
        """The JSON object it was read from, fields unknown to this release included."""
        said: dict[str, Any] = msgspec.json.decode(self.json)
        return said

    @property
    def json(self) -> bytes:
        """The JSON text it was read from; of a task made otherwise, what it would be."""
        text = self.__dict__.get("text")
        return msgspec.json.encode(self) if text is None else bytes(text)

    def __copy__(self) -> Self:
        return self

    # A copy elsewhere is read from the same text.
    def __reduce__(self) -> tuple[Callable[[bytes], "Task"], tuple[bytes]]:
        return read_task, (self.json,)


_TASK = msgspec.json.Decoder(Task)


def read_task(text: bytes | msgspec.Raw) -> Task:
    """Read one task, and let it remember its text."""
    task = _TASK.decode(text)
    task.__dict__["text"] = text
    return task


# The first two read well without their names: they are those of `tasks.create`.
class NewTask(msgspec.Struct, frozen=True):
    """A task to create with others; the fields are the arguments of `tasks.create`."""

    type: str
    payload: Payload
    priority: int = 0
    max_attempts: int = 3
    lease_seconds: int = 300
    run_at: RunAt | None = None
    idempotency_key: str | None = None


class Completion(Discreet, frozen=True, kw_only=True):
    """A task to complete with others, by the `lease_token` of its claim."""

    id: str
    lease_token: str
    result: Payload | None = None
    output_id: str | None = None


class Failure(Discreet, frozen=True, kw_only=True):
    """A task to fail with others. `reason` is cut to 500 characters; `retry_after` in seconds."""

    id: str
    lease_token: str
    reason: str
    retry_after: float | timedelta | None = None


class Beat(Discreet, frozen=True, kw_only=True):
    """A lease to renew with others."""

    id: str
    lease_token: str


class Held(Discreet, frozen=True, kw_only=True):
    """A task you hold: finish it with its `lease_token`, which is not shown again."""

    task: Task
    lease_token: str


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of a claim: what it handed out, best first, or why there was nothing.

    `empty_reason` is unknown_type, no_tasks, all_scheduled or all_leased; None where something
    was handed out or the server did not look.
    """

    leases: tuple[Held, ...]
    contract: AgentContract
    empty_reason: str | None = None
    next_claimable_at: datetime | None = None
    similar_types: tuple[str, ...] = ()


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a list, newest first; `next_cursor` leads to the next, None on the last."""

    items: tuple[Task, ...]
    next_cursor: str | None
    contract: AgentContract
