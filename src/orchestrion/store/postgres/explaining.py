"""Reads that explain: what an account has of a type, and how many tasks are before another."""

from collections.abc import Sequence
from typing import Final

import asyncpg

from orchestrion.core.emptiness import Leased, TypeState
from orchestrion.core.limits import COUNTED_MAX

# One more than is counted tells that there are more.
LIMIT: Final = COUNTED_MAX + 1


def type_state(type_: str, found: Sequence[asyncpg.Record]) -> TypeState:
    """Build it from the rows of `load_type_state`: one per lease, and at least one."""
    first = found[0]
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
    return TypeState(
        type=type_,
        now=first["now"],
        known=first["known"],
        due=first["due"],
        scheduled=first["scheduled"],
        next_due_at=first["next_due_at"],
        leased=leased,
        leases_read=first["leases_read"],
    )
