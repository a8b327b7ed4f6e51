"""Saves what one batch changed, each kind of row in one statement."""

from typing import Final

import apsw

from orchestrion.core.instants import Instant
from orchestrion.core.purchases import Purchases
from orchestrion.core.tally import minute_of
from orchestrion.core.view import View
from orchestrion.store import rows
from orchestrion.store.named import load_statements

SQL: Final = load_statements("orchestrion.store.sqlite")


class Saver:
    """Writes views back."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def save(self, view: View) -> int:
        """Write the changed rows; gives how many."""
        return (
            self._save_accounts(view)
            + self._many("insert_task", map(rows.insert_row, view.new_tasks.values()))
            + self._many("save_task", map(rows.save_row, view.changed_tasks.values()))
            + self._many("delete_task", view.deleted_tasks)
            + self._many("save_idempotency", map(rows.idempotency_row, view.new_idempotency))
            + self._many("delete_idempotency", view.deleted_idempotency)
            + self._many("save_request_count", map(rows.count_row, view.request_counts))
            + self._many("save_asks", map(rows.asks_row, view.changed_asks.values()))
            + self._save_purchases(view.purchases)
            + self._save_numbers(view)
        )

    def mark(self, name: str, instant: Instant) -> None:
        """Keep an instant across restarts."""
        self._connection.execute(SQL["save_mark"], (name, instant))

    def _save_accounts(self, view: View) -> int:
        changed = [rows.account_save_row(view.accounts[one]) for one in view.changed_accounts]
        return (
            self._many("insert_account", map(rows.account_insert_row, view.new_accounts))
            + self._many("insert_key", map(rows.key_row, view.new_keys))
            + self._many("save_account", changed)
        )

    def _save_purchases(self, purchases: Purchases) -> int:
        changed = map(rows.purchase_save_row, purchases.changed.values())
        new = map(rows.purchase_insert_row, purchases.new.values())
        return self._many("save_purchase", changed) + self._many("insert_purchase", new)

    def _save_numbers(self, view: View) -> int:
        changes, minute_at = view.tally.changes(), minute_of(view.now)
        return (
            self._many("add_counts", map(rows.counts_row, changes))
            + self._many("add_minutes", (rows.minute_row(one, minute_at) for one in changes))
            + self._many("delete_minute", view.old_minutes)
            + self._many("delete_idle_type", view.idle_types)
        )

    def _many(self, statement: str, parameters: rows.Rows) -> int:
        listed = list(parameters)
        if listed:
            self._connection.executemany(SQL[statement], listed)
        return len(listed)
