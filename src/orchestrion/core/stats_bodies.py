"""The answer to GET /v1/stats as it stands on the wire."""

from collections.abc import Sequence

import msgspec

from orchestrion.core.contract import AgentContract
from orchestrion.core.instants import Instant, format_instant
from orchestrion.core.limits import RATE_SECONDS
from orchestrion.core.stats import Counts, Happened, Stats, TypeStats, guidance


class RatesAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How often things happened to tasks, per minute of the last seconds."""

    window_seconds: int
    created_per_minute: float
    claimed_per_minute: float
    completed_per_minute: float
    failed_per_minute: float
    dead_lettered_per_minute: float
    cancelled_per_minute: float


class TypeAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The numbers of one type."""

    type: str
    counts: Counts
    oldest_due_at: str | None
    rates: RatesAnswer


class StatsAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The numbers of an account."""

    as_of: str
    counts: Counts
    oldest_pending_at: str | None
    oldest_due_at: str | None
    next_lease_expires_at: str | None
    rates: RatesAnswer
    types: Sequence[TypeAnswer]
    types_truncated: bool
    request_id: str = msgspec.field(name="request_id")
    agent_contract: AgentContract = msgspec.field(name="agent_contract")


def stats_answer(found: Stats, request_id: str) -> StatsAnswer:
    """Write the numbers."""
    return StatsAnswer(
        as_of=format_instant(found.now),
        counts=found.counts,
        oldest_pending_at=_moment(found.oldest_pending_at),
        oldest_due_at=_moment(found.oldest_due_at),
        next_lease_expires_at=_moment(found.next_lease_ends_at),
        rates=_rates(found.rates),
        types=[_of_type(one) for one in found.types],
        types_truncated=found.types_truncated,
        request_id=request_id,
        agent_contract=guidance(found),
    )


def _of_type(one: TypeStats) -> TypeAnswer:
    return TypeAnswer(
        type=one.type,
        counts=one.counts,
        oldest_due_at=_moment(one.oldest_due_at),
        rates=_rates(one.rates),
    )


def _rates(happened: Happened) -> RatesAnswer:
    return RatesAnswer(
        window_seconds=RATE_SECONDS,
        created_per_minute=happened.created,
        claimed_per_minute=happened.claimed,
        completed_per_minute=happened.completed,
        failed_per_minute=happened.failed,
        dead_lettered_per_minute=happened.dead_lettered,
        cancelled_per_minute=happened.cancelled,
    )


def _moment(instant: Instant | None) -> str | None:
    return None if instant is None else format_instant(instant)
