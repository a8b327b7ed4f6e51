"""Puts together what happened to each attempt of a task, from what the workers told."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from orchestrion.demo.events import Event, Kind

_OUTCOMES = frozenset({Kind.COMPLETED, Kind.FAILED, Kind.LOST})


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One claim of a task and how it ended; without an outcome its worker never told."""

    number: int
    worker: str
    claimed_at: datetime
    lease_ends_at: datetime  # as last extended
    heartbeats: int = 0
    outcome: Kind | None = None
    status: str = "claimed"  # of the task, at the end of the attempt
    detail: str = ""


def attempts(events: Iterable[Event], task_id: str) -> list[Attempt]:
    """Give the attempts of a task in the order of their claims."""
    found: dict[datetime, Attempt] = {}
    for event in events:
        # Two attempts of one task cannot begin at the same moment.
        if event.task_id == task_id and event.claimed_at is not None:
            known = found.get(event.claimed_at)
            found[event.claimed_at] = _begun(event) if known is None else _continued(known, event)
    return [found[claimed_at] for claimed_at in sorted(found)]


def _begun(event: Event) -> Attempt:
    assert event.kind is Kind.CLAIMED
    assert event.claimed_at is not None
    assert event.lease_ends_at is not None
    return Attempt(
        number=event.attempt,
        worker=event.worker,
        claimed_at=event.claimed_at,
        lease_ends_at=event.lease_ends_at,
    )


def _continued(attempt: Attempt, event: Event) -> Attempt:
    return msgspec.structs.replace(
        attempt,
        lease_ends_at=event.lease_ends_at or attempt.lease_ends_at,
        heartbeats=attempt.heartbeats + (event.kind is Kind.HEARTBEAT),
        outcome=event.kind if event.kind in _OUTCOMES else None,
        status=event.status,
        detail=event.detail,
    )
