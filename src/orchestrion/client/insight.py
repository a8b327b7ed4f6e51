"""What the server tells about the account and itself: statistics, explanations, health."""

from datetime import datetime

import msgspec

from orchestrion.client.call import Call, task_path
from orchestrion.client.contract import NO_CONTRACT, AgentContract


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """Why a claim of a task would not succeed now, and when that clears by itself."""

    reason: str
    since: datetime | None = None
    clears_at: datetime | None = None


class PlaceInLine(msgspec.Struct, frozen=True, kw_only=True):
    """How many tasks of the type claims hand out before it; `capped`: there may be more."""

    ahead: int
    capped: bool = False


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a claim of a task would succeed now, and why not."""

    task_id: str
    type: str = ""
    status: str = ""
    claimable: bool = False
    blocked_by: tuple[Block, ...] = ()
    place_in_line: PlaceInLine | None = None
    last_asked_at: datetime | None = None
    contract: AgentContract = msgspec.field(default=NO_CONTRACT, name="agent_contract")


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How many tasks stand in each state."""

    pending: int = 0
    claimed: int = 0
    completed: int = 0
    dead_letter: int = 0
    cancelled: int = 0


class Rates(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What happened per minute, over the last `window_seconds`."""

    window_seconds: float = 0
    created_per_minute: float = 0
    claimed_per_minute: float = 0
    completed_per_minute: float = 0
    failed_per_minute: float = 0
    dead_lettered_per_minute: float = 0
    cancelled_per_minute: float = 0


class TypeStats(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The numbers of one type."""

    type: str
    counts: Counts = Counts()
    oldest_due_at: datetime | None = None
    rates: Rates = Rates()


class Stats(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The numbers of the account, as of `as_of`; `scheduled` is None where it is not counted."""

    as_of: datetime
    counts: Counts = Counts()
    scheduled: int | None = None
    oldest_pending_at: datetime | None = None
    oldest_due_at: datetime | None = None
    next_lease_expires_at: datetime | None = None
    rates: Rates = Rates()
    types: tuple[TypeStats, ...] = ()
    types_truncated: bool = False
    contract: AgentContract = msgspec.field(default=NO_CONTRACT, name="agent_contract")


class LeaseExpiryJob(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The job that gives back tasks whose lease has ended."""

    last_run_at: datetime | None = None
    stale_sec: float | None = None
    healthy: bool = False


class Health(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Whether the server serves, and whether lease expiry runs."""

    status: str
    lease_expiry_job: LeaseExpiryJob = LeaseExpiryJob()


def explain(task_id: str) -> Call[Explanation]:
    """Read why a task waits."""
    return Call(
        method="GET",
        path=task_path(task_id, "explain"),
        decode=msgspec.json.Decoder(Explanation).decode,
    )


def stats() -> Call[Stats]:
    """Read the account's numbers."""
    return Call(method="GET", path="/v1/stats", decode=msgspec.json.Decoder(Stats).decode)


def health() -> Call[Health]:
    """Read the server's health."""
    return Call(method="GET", path="/health", decode=msgspec.json.Decoder(Health).decode)
