"""Loads the rows one batch needs into its view."""

from typing import Final

import apsw

from orchestrion.core.ids import AccountId
from orchestrion.core.instants import Instant
from orchestrion.core.limits import HELD_UNDER_KEY_MAX, PRIORITY_MAX
from orchestrion.core.plans import LeaseBounds
from orchestrion.core.task import Task
from orchestrion.core.view import Needs, TypeKey, View
from orchestrion.store import rows
from orchestrion.store.named import load_statements

SQL: Final = load_statements("orchestrion.store.sqlite")


class Loader:
    """Fills views. Remembers, per account, a number of live leases that is surely not exceeded.

    Only this writer starts leases, and leases only end otherwise; so the last exact count plus
    the leases started since is an upper bound. While that allows every plan, no rows are counted.
    """

    def __init__(self, connection: apsw.Connection, bounds: LeaseBounds) -> None:
        self._connection = connection
        self._bounds = bounds
        self._at_most: dict[AccountId, int] = {}

    def load(self, needs: Needs, now: Instant) -> View:
        """Load what a batch needs, at one instant."""
        view = View(now)
        self._load_accounts(needs, view)
        if needs.idempotency:
            self._load_idempotency(needs, view)
        if needs.claim_keys:
            self._load_claim_keys(needs, view)
        if needs.leases:
            self._load_leases(needs, view)
        if needs.tasks:
            cursor = self._connection.executemany(SQL["load_task"], needs.tasks)
            view.load_tasks(map(rows.task_of, cursor))
        for key in needs.claims:
            self._load_claimable(needs, key, view)
        if needs.request_counts:
            cursor = self._connection.executemany(SQL["load_request_count"], needs.request_counts)
            view.load_request_counts(map(rows.count_of, cursor))
        if needs.asks:
            cursor = self._connection.executemany(
                SQL["load_asks"], [(account_id,) for account_id in needs.asks]
            )
            view.load_asks(map(rows.asks_of, cursor))
        if needs.newest_purchases:
            self._load_purchases(needs, view)
        return view

    def committed(self, view: View) -> None:
        """Keep the bounds true after a commit."""
        for account_id in view.live_leases:
            self._at_most[account_id] = view.live_leases[account_id]

    def forget(self) -> None:
        """Count anew, after a commit of unknown fate."""
        self._at_most.clear()

    def _load_accounts(self, needs: Needs, view: View) -> None:
        for account_id in needs.accounts:
            for row in self._connection.execute(SQL["load_account"], {"account_id": account_id}):
                view.accounts[account_id] = rows.account_of(row)

    def _load_leases(self, needs: Needs, view: View) -> None:
        for account_id, wanted in needs.leases.items():
            at_most = self._at_most.get(account_id)
            if at_most is not None and at_most + wanted <= self._bounds.fewest:
                view.live_leases[account_id] = at_most
                continue
            limit = needs.lease_count(account_id, self._bounds.most)
            bindings = {"account_id": account_id, "now": view.now, "limit": limit}
            count = self._connection.execute(SQL["count_live_leases"], bindings).get
            ends = self._connection.execute(SQL["first_lease_end"], bindings).get
            view.live_leases[account_id] = count
            if ends is not None:
                view.lease_ends[account_id] = ends

    def _load_idempotency(self, needs: Needs, view: View) -> None:
        cursor = self._connection.executemany(SQL["load_idempotency"], needs.idempotency)
        found = [rows.idempotency_of(row) for row in cursor]
        view.load_idempotency(found)
        # A replay shows the task as it is now beside the task as it was.
        needs.tasks.update((row.account_id, row.first.id) for row in found)

    def _load_purchases(self, needs: Needs, view: View) -> None:
        named = self._connection.executemany(SQL["load_purchase"], needs.purchases)
        found = [rows.purchase_of(row) for row in named]
        accounts = [(account_id,) for account_id in needs.newest_purchases]
        newest = self._connection.executemany(SQL["load_newest_purchase"], accounts)
        view.purchases.load(found, map(rows.purchase_of, newest))

    def _load_claim_keys(self, needs: Needs, view: View) -> None:
        asked = [(*key, HELD_UNDER_KEY_MAX) for key in needs.claim_keys]
        found = list(self._connection.executemany(SQL["load_claim_keys"], asked))
        view.load_claim_keys(found)
        needs.tasks.update((account_id, task_id) for account_id, _, task_id in found)

    def _load_claimable(self, needs: Needs, key: TypeKey, view: View) -> None:
        limit = needs.overdue(key)
        overdue = self._tasks("load_overdue", key, view, {"limit": limit})
        if len(overdue) == limit:
            view.more_overdue.add(key)
        view.load_claimable(key, self._pending(key, needs.candidates(key), view), overdue)

    def _pending(self, key: TypeKey, wanted: int, view: View) -> list[Task]:
        found: list[Task] = []
        below = PRIORITY_MAX + 1
        while len(found) < wanted:
            bindings = {"account_id": key[0], "type": key[1], "below": below}
            priority = self._connection.execute(SQL["next_priority"], bindings).get
            if priority is None:
                break
            more = {"priority": priority, "limit": wanted - len(found)}
            found += self._tasks("load_claimable", key, view, more)
            below = priority
        return found

    def _tasks(self, statement: str, key: TypeKey, view: View, more: dict[str, int]) -> list[Task]:
        bindings = {"account_id": key[0], "type": key[1], "now": view.now, **more}
        return [rows.task_of(row) for row in self._connection.execute(SQL[statement], bindings)]
