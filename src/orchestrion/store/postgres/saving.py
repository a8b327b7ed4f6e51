"""Saves what one batch changed, each kind of row in one statement."""

from collections.abc import Iterable
from typing import Any, Final

from orchestrion.core.ids import AccountId
from orchestrion.core.view import View
from orchestrion.store import rows
from orchestrion.store.named import load_statements
from orchestrion.store.postgres.session import Session

SQL: Final = load_statements("orchestrion.store.postgres")


async def save(session: Session, view: View) -> int:
    """Write the changed rows; gives how many."""
    count = 0
    for statement, changed in _changes(view):
        listed = list(changed)
        if listed:
            await session.execute(SQL[statement], *_columns(listed))
            count += len(listed)
    return count + await _forget_types(session, view)


def _changes(view: View) -> Iterable[tuple[str, rows.Rows]]:
    """Pair statements with their rows; what two servers may both insert comes sorted."""
    yield "insert_accounts", map(rows.account_insert_row, view.new_accounts)
    yield "insert_keys", map(rows.key_row, view.new_keys)
    yield "save_accounts", (_account_row(view, one) for one in view.changed_accounts)
    yield "insert_tasks", map(rows.insert_row, view.new_tasks.values())
    yield "save_tasks", map(rows.save_row, view.changed_tasks.values())
    yield "delete_tasks", view.deleted_tasks
    yield "save_idempotency", sorted(map(rows.idempotency_row, view.new_idempotency))
    yield "delete_idempotency", view.deleted_idempotency
    yield "save_request_counts", sorted(map(rows.count_row, view.request_counts))
    yield "save_asks", sorted(map(rows.asks_row, view.changed_asks.values()))
    yield "save_purchases", map(rows.purchase_save_row, view.purchases.changed.values())
    yield "insert_purchases", map(rows.purchase_insert_row, view.purchases.new.values())
    # The last that is locked, in one order everywhere: many wait for the same rows.
    changes = view.tally.changes()
    yield "add_counts", rows.counts_rows(changes)
    yield "add_minutes", rows.minutes_rows(changes, view.now)
    yield "delete_minutes", sorted(view.old_minutes)


async def _forget_types(session: Session, view: View) -> int:
    by_account: dict[AccountId, list[str]] = {}
    for account_id, type_ in view.idle_types:
        by_account.setdefault(account_id, []).append(type_)
    for account_id, types in by_account.items():
        await session.execute(SQL["delete_idle_types"], account_id, types)
    return len(by_account)


def _account_row(view: View, account_id: AccountId) -> rows.Row:
    account = view.accounts[account_id]
    return (*rows.account_save_row(account), view.live_leases.get(account.id))


def _columns(listed: list[rows.Row]) -> Iterable[tuple[Any, ...]]:
    return zip(*listed, strict=True)
