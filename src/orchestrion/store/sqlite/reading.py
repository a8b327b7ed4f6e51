"""Reads beside the writer, so that what looks long holds up nobody who only looks up."""

from collections.abc import Collection, Sequence
from typing import Final

import apsw

from orchestrion.core.account import Account, Principal, RequestCount
from orchestrion.core.asking import Asks
from orchestrion.core.clock import Clock
from orchestrion.core.database_state import DatabaseState
from orchestrion.core.emptiness import TypeLeases, TypeState
from orchestrion.core.found import Found
from orchestrion.core.ids import AccountId, PurchaseId, TaskId, ulid
from orchestrion.core.instants import Instant
from orchestrion.core.listing import PageQuery
from orchestrion.core.purchase import Purchase, Unsettled
from orchestrion.core.quota import Leases
from orchestrion.core.stats import Minute, Standing
from orchestrion.core.task import ENDED, Status, Task
from orchestrion.core.view import TypeKey
from orchestrion.core.watching import Marks
from orchestrion.store import rows
from orchestrion.store.named import load_statements
from orchestrion.store.sqlite import explaining, looking, numbering
from orchestrion.store.sqlite.database import Place
from orchestrion.store.sqlite.pool import ReadPool

SQL: Final = load_statements("orchestrion.store.sqlite")
# Look-ups by key, and apart from them what may read many rows: lists, sweeps, counts.
QUICK_READERS: Final = 2
LONG_READERS: Final = 2
# Reads that may wait; lists, which cost most, are the first to be refused.
QUICK_WAITING_MAX: Final = 1_024
LONG_WAITING_MAX: Final = 256
# Above every ULID: a first page starts here.
_LAST_ID = "tsk_~"


class SqliteReader:
    """Reads for handlers and jobs. Fits `engine.ports.Reader`."""

    def __init__(self, place: Place, clock: Clock) -> None:
        self._clock = clock
        self._quick = ReadPool(place, QUICK_READERS, QUICK_WAITING_MAX)
        self._long = ReadPool(place, LONG_READERS, LONG_WAITING_MAX)

    async def task(self, account_id: AccountId, task_id: TaskId) -> Found:
        """Read one task; none if it is not the account's."""
        return await self._quick.run(
            lambda one: self._found(one, "load_task", (account_id, task_id))
        )

    async def marks(self, account_id: AccountId, ids: Sequence[TaskId]) -> Marks:
        """Read how tasks are, as far as they are the account's."""
        keys = [(account_id, task_id) for task_id in ids]
        return await self._quick.run(
            lambda one: dict(map(rows.mark_of, one.executemany(SQL["load_mark_of_task"], keys)))
        )

    async def tasks(self, account_id: AccountId, ids: Sequence[TaskId]) -> Found:
        """Read tasks, as far as they are the account's."""
        keys = [(account_id, task_id) for task_id in ids]

        def read(one: apsw.Connection) -> Found:
            tasks = [rows.task_of(row) for row in one.executemany(SQL["load_task"], keys)]
            return Found(tasks=tasks, now=self._clock.now())

        return await self._quick.run(read)

    async def page(self, query: PageQuery) -> Found:
        """Read one page, newest first."""
        statement = _page_statement(query)
        bindings = {
            "account_id": query.account_id,
            "status": query.status,
            "type": query.type,
            "claimed_by": query.claimed_by,
            "before": query.before or _LAST_ID,
            "limit": query.limit,
        }
        return await self._long.run(lambda one: self._found(one, statement, bindings))

    async def type_state(self, key: TypeKey) -> TypeState:
        """Read what of a type waits in an account."""
        now = self._clock.now()
        return await self._quick.run(lambda one: explaining.type_state(one, key, now))

    async def type_leases(self, account_id: AccountId, types: Collection[str]) -> TypeLeases:
        """Read what is held of some types, as far as it is among the first leases to end."""
        return await self._quick.run(lambda one: explaining.type_leases(one, account_id, types))

    async def types(self, account_id: AccountId, limit: int) -> list[str]:
        """Name the types an account has tasks of, up to a limit."""
        return await self._quick.run(lambda one: explaining.types(one, account_id, limit))

    async def next_due(self, keys: Sequence[TypeKey]) -> dict[TypeKey, Instant]:
        """Tell from when on a task of each type can be claimed, where there is any."""
        now = self._clock.now()
        return await self._long.run(lambda one: looking.next_due(one, keys, now))

    async def ahead(self, task: Task, limit: int) -> int:
        """Count the tasks that claims hand out before a task, up to a limit."""
        now = self._clock.now()
        return await self._quick.run(lambda one: explaining.ahead(one, task, now, limit))

    async def leases(self, account_id: AccountId, limit: int) -> Leases:
        """Count an account's live leases, up to a limit."""
        now = self._clock.now()
        return await self._quick.run(lambda one: explaining.leases(one, account_id, now, limit))

    async def asks(self, account_id: AccountId) -> Asks | None:
        """Read when workers asked for an account's types, as far as it was saved."""

        def read(one: apsw.Connection) -> Asks | None:
            for row in one.execute(SQL["load_asks"], (account_id,)):
                return rows.asks_of(row)
            return None

        return await self._quick.run(read)

    async def account(self, account_id: AccountId) -> Account | None:
        """Read an account."""
        return await self._quick.run(lambda one: _account(one, account_id))

    async def principal(self, key_hash: bytes) -> Principal | None:
        """Read whose key this is; None if it is unknown or revoked."""
        return await self._quick.run(lambda one: _principal(one, key_hash))

    async def purchase(self, account_id: AccountId, purchase_id: PurchaseId) -> Purchase | None:
        """Read a purchase; None if it is not the account's."""
        return await self._purchase("load_purchase", account_id, purchase_id)

    async def newest_purchase(self, account_id: AccountId) -> Purchase | None:
        """Read an account's newest purchase."""
        return await self._purchase("load_newest_purchase", account_id)

    async def purchase_of_order(self, order_id: str) -> Purchase | None:
        """Read the purchase an order is of."""
        return await self._purchase("load_purchase_of_order", order_id)

    async def unsettled_purchases(self, after: Unsettled, limit: int) -> list[Purchase]:
        """Read purchases that are due to be settled, the first due first."""
        bindings = {
            "now": self._clock.now(),
            "settle_at": after.settle_at,
            "id": after.id,
            "limit": limit,
        }

        def read(one: apsw.Connection) -> list[Purchase]:
            found = one.execute(SQL["list_unsettled_purchases"], bindings)
            return [rows.purchase_of(row) for row in found]

        return await self._long.run(read)

    async def request_counts(self, since: Instant) -> list[RequestCount]:
        """Read the counters of windows that began after an instant."""

        def read(one: apsw.Connection) -> list[RequestCount]:
            found = one.execute(SQL["load_request_counts"], {"since": since})
            return [rows.count_of(row) for row in found]

        return await self._long.run(read)

    async def overdue(self, limit: int) -> list[tuple[AccountId, TaskId]]:
        """Name claimed tasks whose lease has ended, account by account."""
        now = self._clock.now()
        return await self._long.run(lambda one: _overdue(one, now, limit))

    async def account_with_ended(self, after: AccountId) -> Account | None:
        """Read the next account, by id, that has tasks that ended."""

        def read(one: apsw.Connection) -> Account | None:
            account_id = one.execute(SQL["next_ended_account"], {"after": after}).get
            return None if account_id is None else _account(one, account_id)

        return await self._long.run(read)

    async def ended_before(
        self, account_id: AccountId, cutoff: Instant, limit: int
    ) -> list[TaskId]:
        """Name an account's tasks that ended up to an instant."""
        return await self._long.run(lambda one: _ended(one, account_id, cutoff, limit))

    async def idempotency_keys_before(
        self, cutoff: Instant, limit: int
    ) -> list[tuple[AccountId, str]]:
        """Name idempotency keys made up to an instant, oldest first."""
        bindings = {"cutoff": cutoff, "limit": limit}
        return await self._long.run(
            lambda one: list(one.execute(SQL["list_idempotency_before"], bindings))
        )

    async def task_counts(self, account_id: AccountId, limit: int) -> Standing:
        """Read an account's counts of so many types, and since when the oldest task waits."""
        return await self._quick.run(
            lambda one: numbering.standing(one, account_id, limit, self._clock.now())
        )

    async def task_minutes(
        self, account_id: AccountId, types: Sequence[str], minutes: Sequence[Instant]
    ) -> list[Minute]:
        """Read what happened to tasks of some types in some minutes."""
        return await self._quick.run(lambda one: numbering.minutes(one, account_id, types, minutes))

    async def minutes_before(
        self, cutoff: Instant, limit: int
    ) -> list[tuple[AccountId, tuple[str, Instant]]]:
        """Name minutes that began up to an instant, by account and type."""
        return await self._long.run(lambda one: numbering.minutes_before(one, cutoff, limit))

    async def idle_types(self, account_id: AccountId, limit: int) -> list[str]:
        """Name types that an account has counts but no tasks of."""
        return await self._long.run(lambda one: numbering.idle_types(one, account_id, limit))

    async def counts(self) -> dict[Status, int]:
        """Count tasks by status; reads a whole index, so ask seldom."""

        def read(one: apsw.Connection) -> dict[Status, int]:
            found = dict(one.execute(SQL["count_by_status"]))
            return {status: found.get(status.value, 0) for status in Status}

        return await self._long.run(read)

    async def state(self) -> DatabaseState:
        """Read how the database is doing; ask seldom."""

        def read(one: apsw.Connection) -> DatabaseState:
            return DatabaseState(size_bytes=one.execute(SQL["load_state"]).get)

        return await self._long.run(read)

    async def any_key(self) -> bool:
        """Tell whether a key was ever made."""
        return await self._quick.run(lambda one: one.execute(SQL["any_key"]).get is not None)

    async def close(self) -> None:
        """Close the connections once their reads are done."""
        await self._quick.close()
        await self._long.close()

    async def _purchase(self, statement: str, *key: str) -> Purchase | None:
        def read(one: apsw.Connection) -> Purchase | None:
            for row in one.execute(SQL[statement], key):
                return rows.purchase_of(row)
            return None

        return await self._quick.run(read)

    def _found(
        self, connection: apsw.Connection, statement: str, bindings: "apsw.Bindings"
    ) -> Found:
        tasks = [rows.task_of(row) for row in connection.execute(SQL[statement], bindings)]
        return Found(tasks=tasks, now=self._clock.now())


def _account(connection: apsw.Connection, account_id: AccountId) -> Account | None:
    for row in connection.execute(SQL["load_account"], {"account_id": account_id}):
        return rows.account_of(row)
    return None


def _principal(connection: apsw.Connection, key_hash: bytes) -> Principal | None:
    for row in connection.execute(SQL["load_principal"], {"hash": key_hash}):
        return rows.principal_of(row)
    return None


def _overdue(
    connection: apsw.Connection, now: Instant, limit: int
) -> list[tuple[AccountId, TaskId]]:
    found: list[tuple[AccountId, TaskId]] = []
    account_id = ""
    while len(found) < limit:
        account_id = connection.execute(SQL["next_overdue_account"], {"after": account_id}).get
        if account_id is None:
            break
        bindings = {"account_id": account_id, "now": now, "limit": limit - len(found)}
        found += connection.execute(SQL["list_overdue"], bindings)
    return found


def _page_statement(query: PageQuery) -> str:
    match query.status:
        case None:
            return "list_page" if query.type is None else "list_page_by_type"
        case Status.PENDING:
            return "list_page_pending"
        case Status.CLAIMED:
            return "list_page_claimed"
        case _:
            return "list_page_ended"


def _ended(
    connection: apsw.Connection, account_id: AccountId, cutoff: Instant, limit: int
) -> list[TaskId]:
    found: list[TaskId] = []
    for status in sorted(ENDED):
        bindings = {
            "account_id": account_id,
            "status": status,
            # What ended before the cutoff was created before it, and ids tell when.
            "before": "tsk_" + ulid(Instant(cutoff + 1), 0),
            "cutoff": cutoff,
            "limit": limit - len(found),
        }
        found += [name for (name,) in connection.execute(SQL["list_ended"], bindings)]
    return found
