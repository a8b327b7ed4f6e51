"""Reads when tasks of some types can be claimed, for those who wait for them."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

from orchestrion.core.ids import AccountId
from orchestrion.core.instants import SECOND, Instant
from orchestrion.core.limits import LOOK_LEASES_MAX, LOOK_SECONDS_AHEAD
from orchestrion.core.view import TypeKey
from orchestrion.store.named import load_statements
from orchestrion.store.postgres.session import Session

SQL: Final = load_statements("orchestrion.store.postgres")


async def next_due(
    session: Session, keys: Sequence[TypeKey], now: Instant
) -> dict[TypeKey, Instant]:
    """Give the first instant of each type that has one, of whatever accounts."""
    accounts, types = map(list, zip(*keys, strict=True))
    rows = await session.fetch(SQL["next_due_of_many"], accounts, types, *_leases(now))
    return _first(keys, (((account_id, type_), at) for account_id, type_, at in rows))


async def next_due_by_account(
    session: Session, keys: Sequence[TypeKey], now: Instant
) -> dict[TypeKey, Instant]:
    """Give the same, asking for one account at a time as a database distributed by it wants."""
    found: dict[TypeKey, Instant] = {}
    for account_id, of_account in groupby(sorted(keys), key=_account_of):
        its_keys = list(of_account)
        types = [type_ for _, type_ in its_keys]
        rows = await session.fetch(SQL["next_due"], account_id, types, *_leases(now))
        found |= _first(its_keys, (((account_id, type_), at) for type_, at in rows))
    return found


def _leases(now: Instant) -> tuple[Instant, int]:
    return Instant(now + LOOK_SECONDS_AHEAD * SECOND), LOOK_LEASES_MAX


def _account_of(key: TypeKey) -> AccountId:
    return key[0]


def _first(
    keys: Sequence[TypeKey], rows: Iterable[tuple[TypeKey, Instant | None]]
) -> dict[TypeKey, Instant]:
    # Leases of an account come whatever their types.
    wanted = set(keys)
    found: dict[TypeKey, Instant] = {}
    for key, at in rows:
        if at is not None and key in wanted:
            found[key] = min(found.get(key, at), at)
    return found
