"""Reads when tasks of some types can be claimed, for those who wait for them."""

from collections.abc import Iterable, Sequence
from typing import Final

import apsw

from orchestrion.core.ids import AccountId
from orchestrion.core.instants import SECOND, Instant
from orchestrion.core.limits import LOOK_LEASES_MAX, LOOK_SECONDS_AHEAD, PRIORITY_MAX
from orchestrion.core.view import TypeKey
from orchestrion.store.named import load_statements

SQL: Final = load_statements("orchestrion.store.sqlite")


def next_due(
    connection: apsw.Connection, keys: Sequence[TypeKey], now: Instant
) -> dict[TypeKey, Instant]:
    """Give the first instant of each type that has one."""
    found: dict[TypeKey, Instant] = {}
    for key in keys:
        pending = min(_first_of_each_priority(connection, key), default=None)
        if pending is not None:
            found[key] = pending
    wanted = set(keys)
    for account_id in {account_id for account_id, _ in keys}:
        for key, at in _lease_ends(connection, account_id, now):
            if key in wanted:
                found[key] = min(found.get(key, at), at)
    return found


def _first_of_each_priority(connection: apsw.Connection, key: TypeKey) -> Iterable[Instant]:
    bindings = {"account_id": key[0], "type": key[1]}
    below = PRIORITY_MAX + 1
    while True:
        below = connection.execute(SQL["next_priority"], {**bindings, "below": below}).get
        if below is None:
            return
        yield connection.execute(SQL["next_due"], {**bindings, "priority": below}).get


def _lease_ends(
    connection: apsw.Connection, account_id: AccountId, now: Instant
) -> Iterable[tuple[TypeKey, Instant]]:
    bindings = {
        "account_id": account_id,
        "until": now + LOOK_SECONDS_AHEAD * SECOND,
        "limit": LOOK_LEASES_MAX,
    }
    for type_, at in connection.execute(SQL["next_lease_ends"], bindings):
        yield (account_id, type_), at
