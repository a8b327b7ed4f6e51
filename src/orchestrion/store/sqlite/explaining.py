"""Reads that explain: what an account has of a type, and how many tasks are before another."""

from collections.abc import Collection, Iterator
from typing import Final

import apsw

from orchestrion.core.emptiness import TypeLeases, TypeState
from orchestrion.core.ids import AccountId
from orchestrion.core.instants import Instant
from orchestrion.core.limits import COUNTED_MAX, PRIORITY_MAX
from orchestrion.core.quota import Leases
from orchestrion.core.task import Task
from orchestrion.core.view import TypeKey
from orchestrion.store import rows
from orchestrion.store.named import load_statements

SQL: Final = load_statements("orchestrion.store.sqlite")
# One more than is counted tells that there are more.
_LIMIT: Final = COUNTED_MAX + 1


def type_state(connection: apsw.Connection, key: TypeKey, now: Instant) -> TypeState:
    """Count what waits."""
    bindings = {"account_id": key[0], "type": key[1], "now": now, "limit": _LIMIT}
    due = scheduled = 0
    following: list[Instant] = []
    for priority in _priorities(connection, key):
        level = {**bindings, "priority": priority}
        following.append(connection.execute(SQL["next_due"], level).get)
        if due + scheduled < _LIMIT:
            due += connection.execute(SQL["count_due"], level).get
            scheduled += connection.execute(SQL["count_scheduled"], level).get
    return TypeState(
        type=key[1],
        now=now,
        known=bool(due or scheduled)
        or connection.execute(SQL["any_of_type"], bindings).get is not None,
        due=due,
        scheduled=scheduled,
        next_due_at=min(following, default=None),
    )


def type_leases(
    connection: apsw.Connection, account_id: AccountId, types: Collection[str]
) -> TypeLeases:
    """Read what is held of some types, as far as it is among the first leases to end."""
    bindings = {"account_id": account_id, "limit": _LIMIT}
    found = connection.execute(SQL["list_leases"], bindings).fetchall()
    return TypeLeases(
        leased=tuple(rows.leased_of(row[1:]) for row in found if row[0] in types),
        read=len(found),
        last_end=rows.leased_of(found[-1][1:]).lease_expires_at if found else None,
    )


def types(connection: apsw.Connection, account_id: AccountId, limit: int) -> list[str]:
    """Name the types an account has tasks of, up to a limit."""
    found: list[str] = []
    after = ""
    while len(found) < limit:
        bindings = {"account_id": account_id, "after": after}
        after = connection.execute(SQL["next_type"], bindings).get
        if after is None:
            break
        found.append(after)
    return found


def ahead(connection: apsw.Connection, task: Task, now: Instant, limit: int) -> int:
    """Count what is handed out before a task, up to a limit."""
    bindings = {"account_id": task.account_id, "type": task.type, "now": now, "limit": limit}
    count = 0
    for priority in _priorities(connection, (task.account_id, task.type)):
        if priority <= task.priority or count >= limit:
            break
        count += connection.execute(SQL["count_due"], {**bindings, "priority": priority}).get
    own = {**bindings, "priority": task.priority, "due_at": task.due_at, "id": task.id}
    count += connection.execute(SQL["count_before"], own).get
    return min(int(count), limit)


def leases(connection: apsw.Connection, account_id: AccountId, now: Instant, limit: int) -> Leases:
    """Count an account's live leases, up to a limit."""
    bindings = {"account_id": account_id, "now": now, "limit": limit}
    return Leases(
        live=connection.execute(SQL["count_live_leases"], bindings).get,
        first_end=connection.execute(SQL["first_lease_end"], bindings).get,
    )


def _priorities(connection: apsw.Connection, key: TypeKey) -> Iterator[int]:
    below = PRIORITY_MAX + 1
    while True:
        bindings = {"account_id": key[0], "type": key[1], "below": below}
        priority = connection.execute(SQL["next_priority"], bindings).get
        if priority is None:
            return
        yield priority
        below = priority
