"""Loads and locks the rows one batch needs; time is read when every lock is held."""

from collections.abc import Collection, Sequence
from typing import Final

import asyncpg
import msgspec

from orchestrion.core.account import RequestCount
from orchestrion.core.asking import Asks
from orchestrion.core.clock import Clock
from orchestrion.core.ids import AccountId, TaskId
from orchestrion.core.instants import SECOND, Instant
from orchestrion.core.limits import HELD_UNDER_KEY_MAX
from orchestrion.core.plans import LeaseBounds
from orchestrion.core.purchase import Purchase
from orchestrion.core.task import Task
from orchestrion.core.view import IdempotencyRow, Needs, View
from orchestrion.store import rows
from orchestrion.store.address import Batches
from orchestrion.store.named import load_statements
from orchestrion.store.postgres.claiming import Claiming, ClaimingView
from orchestrion.store.postgres.session import Session

SQL: Final = load_statements("orchestrion.store.postgres")
# A heartbeat that read the time so many milliseconds ago may not be committed yet.
RENEWAL_MAX: Final = 120 * SECOND


class Loader:
    """Fills views, in a handful of round trips however many commands there are.

    What concerns one account is asked for by statements that name it as a constant, for a
    database distributed by account locks rows in no other way. A batch of several accounts needs
    statements over lists, unless `one_account` says that there is never such a batch.
    """

    def __init__(self, bounds: LeaseBounds, given: Clock | None, batches: Batches) -> None:
        self._bounds = bounds
        self._given = given
        self.one_account = batches == "one-account"
        self._claiming = Claiming(one_account=self.one_account)

    async def load(self, session: Session, needs: Needs) -> View:
        """Lock accounts, remembered creates, counters, tasks, then what waits; then read the time.

        Each statement sees what was committed before it began, so what an account's lock protects
        is read by a later statement than the one that locked.
        Leases are counted before time is read: so one that was seen to have ended ended earlier,
        by the database's time too, than any that starts in its stead.
        """
        accounts = await self._lock_accounts(session, needs.accounts)
        remembered = await self._lock_idempotency(session, needs)
        claimed = await _find_claim_keys(session, needs)
        counts = await _lock_request_counts(session, needs)
        asks = await _lock_asks(session, needs)
        purchases = await _load_purchases(session, needs)
        leases = await self._count_leases(session, needs, accounts)
        now, tasks = await self._lock_tasks(session, needs)
        looks = await self._claiming.lock(session, needs, self._now)
        if looks or now is None:
            # Whoever gave one of these rows back did so before this.
            now = await session.fetchval(SQL["read_moment"], self._now)
        view = ClaimingView(now, looks)
        view.load_idempotency(remembered)
        view.load_claim_keys(claimed)
        view.load_request_counts(counts)
        view.load_asks(asks)
        view.purchases.load(purchases.named, purchases.newest)
        view.load_tasks(tasks)
        for row in accounts:
            account = rows.account_of(row[:-1])
            view.accounts[account.id] = account
        for account_id, counted in leases.items():
            _keep_leases(view, account_id, counted)
        return view

    def done(self, view: View) -> None:
        """Take note of what a transaction did, once it has happened."""
        self._claiming.done(view)

    async def _lock_accounts(
        self, session: Session, account_ids: Collection[AccountId]
    ) -> Sequence[asyncpg.Record]:
        if len(account_ids) == 1:
            return await session.fetch(SQL["lock_account"], *account_ids)
        if account_ids:
            return await session.fetch(SQL["lock_accounts"], list(account_ids))
        return ()

    async def _lock_idempotency(self, session: Session, needs: Needs) -> list[IdempotencyRow]:
        if not needs.idempotency:
            return []
        found = await _of(session, "lock_idempotency", needs.idempotency)
        remembered = [rows.idempotency_of(tuple(row)) for row in found]
        # A replay shows the task as it is now beside the task as it was.
        needs.tasks.update((row.account_id, row.first.id) for row in remembered)
        return remembered

    async def _lock_tasks(
        self, session: Session, needs: Needs
    ) -> tuple[Instant | None, list[Task]]:
        if not needs.tasks:
            return None, []
        found = await _of(session, "lock_tasks", needs.tasks, self._now)
        # Without any task there is still a row that tells the time.
        return found[0][0], [rows.task_of(row[1:]) for row in found if row[1] is not None]

    @property
    def _now(self) -> Instant | None:
        return None if self._given is None else self._given.now()

    async def _count_leases(
        self, session: Session, needs: Needs, accounts: Sequence[asyncpg.Record]
    ) -> dict[AccountId, "_Leases"]:
        counted: dict[AccountId, _Leases] = {}
        at_most = {row["id"]: row["leases_at_most"] for row in accounts}
        for account_id, wanted in needs.leases.items():
            bound = at_most[account_id]
            # Leases start under the lock and only end otherwise, so the last exact count plus
            # those started since is surely not exceeded. While that suffices, none are counted.
            if bound + wanted <= self._bounds.fewest:
                counted[account_id] = _Leases(live=bound)
                continue
            limit = needs.lease_count(account_id, self._bounds.most)
            live, first_end, doubtful = await session.fetchrow(
                SQL["count_live_leases"], account_id, self._now, limit, RENEWAL_MAX
            ) or (0, None, None)
            counted[account_id] = _Leases(live=live, first_end=first_end, doubtful=doubtful or ())
            # Heartbeats need no account's lock: only a task's own tells whether it was renewed.
            needs.tasks.update((account_id, task_id) for task_id in doubtful or ())
        return counted


class _Leases(msgspec.Struct, frozen=True, kw_only=True):
    """How many leases are alive, when the first ends if counted, and which may be alive too."""

    live: int
    first_end: Instant | None = None
    doubtful: Sequence[TaskId] = ()


class _Purchases(msgspec.Struct, frozen=True, kw_only=True):
    """Purchases that commands name, and the newest of each account."""

    named: Sequence[Purchase] = ()
    newest: Sequence[Purchase] = ()


async def _load_purchases(session: Session, needs: Needs) -> _Purchases:
    if not needs.newest_purchases:
        return _Purchases()
    named: Sequence[asyncpg.Record] = ()
    if needs.purchases:
        keys = zip(*needs.purchases, strict=True)
        named = await session.fetch(SQL["load_purchases"], *keys)
    newest = await session.fetch(SQL["load_newest_purchases"], list(needs.newest_purchases))
    return _Purchases(
        named=[rows.purchase_of(tuple(row)) for row in named],
        newest=[rows.purchase_of(tuple(row)) for row in newest],
    )


async def _find_claim_keys(session: Session, needs: Needs) -> list[tuple[AccountId, str, TaskId]]:
    if not needs.claim_keys:
        return []
    found = await _of(session, "find_claim_keys", needs.claim_keys, HELD_UNDER_KEY_MAX)
    needs.tasks.update((row["account_id"], row["id"]) for row in found)
    return [(row["account_id"], row["claim_key"], row["id"]) for row in found]


async def _lock_request_counts(session: Session, needs: Needs) -> list[RequestCount]:
    if not needs.request_counts:
        return []
    keys = zip(*needs.request_counts, strict=True)
    found = await session.fetch(SQL["lock_request_counts"], *keys)
    return [rows.count_of(tuple(row)) for row in found]


async def _of(
    session: Session,
    statement: str,
    keys: Collection[tuple[str, str]],
    *given: int | None,
) -> Sequence[asyncpg.Record]:
    """Load rows by (account, name): by the account itself where there is only one."""
    accounts = [account_id for account_id, _ in keys]
    names = [name for _, name in keys]
    if len(set(accounts)) == 1:
        return await session.fetch(SQL[statement], *given, accounts[0], names)
    return await session.fetch(SQL[statement + "_of_many"], *given, accounts, names)


async def _lock_asks(session: Session, needs: Needs) -> list[Asks]:
    if not needs.asks:
        return []
    found = await session.fetch(SQL["lock_asks"], list(needs.asks))
    return [rows.asks_of(tuple(row)) for row in found]


def _keep_leases(view: View, account_id: AccountId, counted: _Leases) -> None:
    tasks = (view.task(account_id, task_id) for task_id in counted.doubtful)
    renewed = sum(task is not None and task.lease_alive(view.now) for task in tasks)
    view.live_leases[account_id] = counted.live + renewed
    if counted.first_end is not None:
        view.lease_ends[account_id] = counted.first_end
