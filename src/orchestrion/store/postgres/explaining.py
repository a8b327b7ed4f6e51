"""Reads that explain: what an account has of a type, and how many tasks are before another."""

from collections.abc import Sequence
from typing import Final

import asyncpg

from orchestrion.core.emptiness import Leased, TypeLeases, TypeState
from orchestrion.core.limits import COUNTED_MAX

# One more than is counted tells that there are more.
LIMIT: Final = COUNTED_MAX + 1


def type_state(type_: str, found: asyncpg.Record) -> TypeState:
    """Build it from the row of `load_type_state`."""
    return TypeState(
        type=type_,
        now=found["now"],
        known=found["known"],
        due=found["due"],
        scheduled=found["scheduled"],
        next_due_at=found["next_due_at"],
    )


def type_leases(found: Sequence[asyncpg.Record]) -> TypeLeases:
    """Build it from the rows of `list_leases`: one per lease, and at least one."""
    leased = tuple(
        Leased(
            row["lease_expires_at"],
            row["attempt_count"],
            row["max_attempts"],
            row["cancel_requested_at"],
        )
        for row in found
        if row["lease_expires_at"] is not None
    )
    return TypeLeases(leased=leased, read=found[0]["read"], last_end=found[0]["last_end"])
