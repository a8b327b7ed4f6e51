"""The numbers of an account's tasks, from their rows."""

from collections.abc import Sequence

import asyncpg

from orchestrion.core.stats import Standing
from orchestrion.store import rows


def standing(found: Sequence[asyncpg.Record]) -> Standing:
    """Build it from the rows of `load_task_counts`: one per type, and at least one."""
    now, oldest_pending_at, *_ = found[0]
    kept = [tuple(row)[2:] for row in found]
    return Standing(
        now=now,
        by_type=dict(rows.counts_of(row) for row in kept if row[0] is not None),
        oldest_pending_at=oldest_pending_at,
    )
