"""Saves what one batch changed, each kind of row in one statement."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from orchestrion.core.ids import AccountId
from orchestrion.core.tally import minute_of
from orchestrion.core.view import View
from orchestrion.store import rows
from orchestrion.store.named import load_statements
from orchestrion.store.postgres.session import Session

SQL: Final = load_statements("orchestrion.store.postgres")
# Account and type, five states, six things that happen, and the minute.
_NO_NUMBERS: Final = (*[()] * 13, 0)


async def save(session: Session, view: View) -> int:
    """Write the changed rows; gives how many."""
    count = 0
    for statement, changed in _changes(view):
        listed = list(changed)
        if listed:
            await session.execute(SQL[statement], *_columns(listed))
            count += len(listed)
    count += await _save_tasks(session, view)
    return count + await _forget(session, view)


def _changes(view: View) -> Iterable[tuple[str, rows.Rows]]:
    """Pair statements with their rows; what two servers may both insert comes sorted."""
    yield "insert_accounts", map(rows.account_insert_row, view.new_accounts)
    yield "insert_keys", map(rows.key_row, view.new_keys)
    yield "save_accounts", (_account_row(view, one) for one in view.changed_accounts)
    yield "save_idempotency", sorted(map(rows.idempotency_row, view.new_idempotency))
    yield "delete_idempotency", view.deleted_idempotency
    yield "save_request_counts", sorted(map(rows.count_row, view.request_counts))
    yield "save_asks", sorted(map(rows.asks_row, view.changed_asks.values()))
    yield "save_purchases", map(rows.purchase_save_row, view.purchases.changed.values())
    yield "insert_purchases", map(rows.purchase_insert_row, view.purchases.new.values())


async def _save_tasks(session: Session, view: View) -> int:
    """Write tasks, and with the last of them their numbers, which so are locked most briefly."""
    every: tuple[tuple[str, list[rows.Row]], ...] = (
        ("insert_tasks", list(map(rows.insert_row, view.new_tasks.values()))),
        ("save_tasks", list(map(rows.save_row, view.changed_tasks.values()))),
        ("delete_tasks", list(view.deleted_tasks)),
    )
    changed = [(statement, listed) for statement, listed in every if listed]
    for statement, listed in changed[:-1]:
        await session.execute(SQL[statement], *_columns(listed), *_NO_NUMBERS)
    for statement, listed in changed[-1:]:
        await session.execute(SQL[statement], *_columns(listed), *_numbers(view))
    return sum(len(listed) for _, listed in changed)


def _numbers(view: View) -> Iterable[Any]:
    """Give what is to be added to numbers, in one order everywhere: many wait for the same rows."""
    changes = view.tally.changes()
    if not changes:
        return _NO_NUMBERS
    return (*_columns(list(map(rows.numbers_row, changes))), minute_of(view.now))


async def _forget(session: Session, view: View) -> int:
    """Delete numbers that nobody asks for any more."""
    if view.old_minutes:
        await session.execute(SQL["delete_minutes"], *_columns(sorted(view.old_minutes)))
    by_account: dict[AccountId, list[str]] = {}
    for account_id, type_ in view.idle_types:
        by_account.setdefault(account_id, []).append(type_)
    for account_id, types in by_account.items():
        await session.execute(SQL["delete_idle_types"], account_id, types)
    return len(view.old_minutes) + len(view.idle_types)


def _account_row(view: View, account_id: AccountId) -> rows.Row:
    account = view.accounts[account_id]
    return (*rows.account_save_row(account), view.live_leases.get(account.id))


def _columns(listed: Sequence[rows.Row]) -> Iterable[tuple[Any, ...]]:
    return zip(*listed, strict=True)
