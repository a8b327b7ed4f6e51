"""What the demonstration sends and reads, as the API's reference describes it."""

from datetime import datetime
from typing import Literal

import msgspec

from orchestrion.demo.markdown import Counts

Status = Literal["pending", "claimed", "completed", "dead_letter", "cancelled"]


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """The payload of a task: which text to read, and how long to take over it."""

    path: str
    text: str
    seconds: float


class Creation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A request to create a task."""

    type: str
    payload: Work
    priority: int
    max_attempts: int
    lease_duration_seconds: int


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of `next_actions`; the first is the recommended one."""

    action: str
    retry_after_seconds: int = 0


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """What the server says to do next, and what it says of the lease."""

    next_actions: list[Action] = []
    lease_valid: bool = False
    lease_expires_in_seconds: int = 0


class Task(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A task as the API shows it, in the fields that matter here."""

    id: str
    payload: Work
    status: Status
    attempt_count: int
    max_attempts: int
    claimed_by: str | None
    claimed_at: datetime | None
    lease_expires_at: datetime | None
    last_heartbeat_at: datetime | None
    lease_duration_seconds: int
    last_failure_reason: str | None
    result: Counts | None
    # A claim's answer carries it beside the task instead.
    agent_contract: Contract = msgspec.field(default_factory=Contract, name="agent_contract")


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a claim; without a task the contract says how long to wait."""

    task: Task | None
    agent_contract: Contract
    lease_token: str = ""


class Registration(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A new account's key."""

    api_key: str


class PageInfo(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Whether a list goes on, and from where."""

    has_more: bool
    next_cursor: str | None


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a list."""

    items: list[Task]
    page_info: PageInfo = msgspec.field(name="pageInfo")


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why the API did not do what it was asked."""

    error: str
    message: str
