"""Reads the numbers of an account's tasks, and which of them may go."""

from collections.abc import Sequence
from typing import Final

import apsw

from orchestrion.core.ids import AccountId
from orchestrion.core.instants import Instant
from orchestrion.core.stats import Minute, Standing
from orchestrion.store import rows
from orchestrion.store.named import load_statements

SQL: Final = load_statements("orchestrion.store.sqlite")


def standing(
    connection: apsw.Connection, account_id: AccountId, limit: int, now: Instant
) -> Standing:
    """Read counts of so many types, and the oldest task that waits."""
    bindings = {"account_id": account_id, "limit": limit}
    found = connection.execute(SQL["load_task_counts"], bindings)
    return Standing(
        now=now,
        by_type=dict(map(rows.counts_of, found)),
        oldest_pending_at=connection.execute(SQL["oldest_pending"], bindings).get,
    )


def minutes(
    connection: apsw.Connection,
    account_id: AccountId,
    types: Sequence[str],
    begun: Sequence[Instant],
) -> list[Minute]:
    """Read what happened in the minutes that began then."""
    asked = [(account_id, minute_at, type_) for minute_at in begun for type_ in types]
    return list(map(rows.minute_of_row, connection.executemany(SQL["load_task_minutes"], asked)))


def minutes_before(
    connection: apsw.Connection, cutoff: Instant, limit: int
) -> list[tuple[AccountId, tuple[str, Instant]]]:
    """Name minutes that began up to an instant."""
    found = connection.execute(SQL["list_minutes_before"], {"cutoff": cutoff, "limit": limit})
    return [(account_id, (type_, minute_at)) for account_id, type_, minute_at in found]


def idle_types(connection: apsw.Connection, account_id: AccountId, limit: int) -> list[str]:
    """Name types that have counts but no tasks."""
    bindings = {"account_id": account_id, "limit": limit}
    return [name for (name,) in connection.execute(SQL["list_idle_types"], bindings)]
