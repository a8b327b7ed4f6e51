"""Reads from the primary, beside the writer, in single statements."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import asyncpg

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
from orchestrion.store.postgres import explaining, looking
from orchestrion.store.postgres.connecting import Pool, begin, roll_back
from orchestrion.store.postgres.faults import before_commit
from orchestrion.store.postgres.session import Session

R = TypeVar("R")

SQL: Final = load_statements("orchestrion.store.postgres")
# Above every ULID: a first page starts here.
_LAST_ID = "tsk_~"


class ReadPools(NamedTuple):
    """What reads go through, and whether each read may concern one account only."""

    quick: Pool
    long: Pool
    one_account: bool


class PostgresReader:
    """Reads for handlers and jobs. Fits `engine.ports.Reader`.

    `quick` looks up by key; `long` may read many rows, so that it holds up nobody who looks up.
    Where `given` is a clock, its time stands in for the database's.
    """

    def __init__(self, pools: ReadPools, clock: Clock, given: Clock | None) -> None:
        self._quick = pools.quick
        self._long = pools.long
        self._one_account = pools.one_account
        self._clock = clock
        self._given = given

    async def task(self, account_id: AccountId, task_id: TaskId) -> Found:
        """Read one task; none if it is not the account's."""
        return self._found(
            await _fetch(self._quick, "load_task", self._moment(), account_id, task_id)
        )

    async def marks(self, account_id: AccountId, ids: Sequence[TaskId]) -> Marks:
        """Read how tasks are, as far as they are the account's."""
        found = await _fetch(self._quick, "load_marks", account_id, list(ids))
        return dict(map(rows.mark_of, map(tuple, found)))

    async def tasks(self, account_id: AccountId, ids: Sequence[TaskId]) -> Found:
        """Read tasks, as far as they are the account's."""
        return self._found(
            await _fetch(self._quick, "load_tasks", self._moment(), account_id, list(ids))
        )

    async def page(self, query: PageQuery) -> Found:
        """Read one page, newest first."""
        statement, filters = _page_statement(query)
        before = query.before or _LAST_ID
        return self._found(
            await _fetch(
                self._long,
                statement,
                self._moment(),
                query.account_id,
                before,
                query.limit,
                query.claimed_by,
                *filters,
            )
        )

    async def type_state(self, key: TypeKey) -> TypeState:
        """Read what of a type waits in an account."""
        (found,) = await _fetch(
            self._quick, "load_type_state", self._moment(), *key, explaining.LIMIT
        )
        return explaining.type_state(key[1], found)

    async def type_leases(self, account_id: AccountId, types: Collection[str]) -> TypeLeases:
        """Read what is held of some types, as far as it is among the first leases to end."""
        return explaining.type_leases(
            await _fetch(self._quick, "list_leases", account_id, list(types), explaining.LIMIT)
        )

    async def types(self, account_id: AccountId, limit: int) -> list[str]:
        """Name the types an account has tasks of, up to a limit."""
        found = await _fetch(self._quick, "list_types", account_id, limit)
        return [name for (name,) in found]

    async def next_due(self, keys: Sequence[TypeKey]) -> dict[TypeKey, Instant]:
        """Tell from when on a task of each type can be claimed, where there is any."""
        if not keys:
            return {}
        look = looking.next_due_by_account if self._one_account else looking.next_due
        now = self._clock.now()
        return await _read(self._long, lambda session: look(session, keys, now))

    async def ahead(self, task: Task, limit: int) -> int:
        """Count the tasks that claims hand out before a task, up to a limit."""
        place = (task.account_id, task.type, task.priority, task.due_at, task.id)
        ((count,),) = await _fetch(self._quick, "count_ahead", self._moment(), *place, limit)
        return int(count)

    async def leases(self, account_id: AccountId, limit: int) -> Leases:
        """Count an account's live leases, up to a limit."""
        ((live, first_end, _),) = await _fetch(
            self._quick, "count_live_leases", account_id, self._moment(), limit, 0
        )
        return Leases(live=live, first_end=first_end)

    async def asks(self, account_id: AccountId) -> Asks | None:
        """Read when workers asked for an account's types, as far as it was saved."""
        for row in await _fetch(self._quick, "load_asks", account_id):
            return rows.asks_of(tuple(row))
        return None

    async def account(self, account_id: AccountId) -> Account | None:
        """Read an account."""
        return await _account(self._quick, account_id)

    async def principal(self, key_hash: bytes) -> Principal | None:
        """Read whose key this is; None if it is unknown or revoked."""
        for row in await _fetch(self._quick, "load_principal", key_hash):
            return rows.principal_of(tuple(row))
        return None

    async def purchase(self, account_id: AccountId, purchase_id: PurchaseId) -> Purchase | None:
        """Read a purchase; None if it is not the account's."""
        return await self._purchase("load_purchases", [account_id], [purchase_id])

    async def newest_purchase(self, account_id: AccountId) -> Purchase | None:
        """Read an account's newest purchase."""
        return await self._purchase("load_newest_purchases", [account_id])

    async def purchase_of_order(self, order_id: str) -> Purchase | None:
        """Read the purchase an order is of."""
        return await self._purchase("load_purchase_of_order", order_id)

    async def unsettled_purchases(self, after: Unsettled, limit: int) -> list[Purchase]:
        """Read purchases that are due to be settled, the first due first."""
        found = await _fetch(
            self._long,
            "list_unsettled_purchases",
            self._moment(),
            after.settle_at,
            after.id,
            limit,
        )
        return [rows.purchase_of(tuple(row)) for row in found]

    async def request_counts(self, since: Instant) -> list[RequestCount]:
        """Read the counters of windows that began after an instant."""
        found = await _fetch(self._long, "load_request_counts", since)
        return [rows.count_of(tuple(row)) for row in found]

    async def overdue(self, limit: int) -> list[tuple[AccountId, TaskId]]:
        """Name claimed tasks whose lease has ended, account by account."""
        found = await _fetch(self._long, "list_overdue", self._moment(), limit)
        return [(account_id, task_id) for account_id, task_id in found]

    async def account_with_ended(self, after: AccountId) -> Account | None:
        """Read the next account, by id, that has tasks that ended."""
        for (account_id,) in await _fetch(self._long, "next_ended_account", after):
            return await _account(self._long, account_id)
        return None

    async def ended_before(
        self, account_id: AccountId, cutoff: Instant, limit: int
    ) -> list[TaskId]:
        """Name an account's tasks that ended up to an instant."""
        # What ended before the cutoff was created before it, and ids tell when.
        before = "tsk_" + ulid(Instant(cutoff + 1), 0)
        found: list[TaskId] = []
        for status in sorted(ENDED):
            wanted = limit - len(found)
            found += [
                task_id
                for (task_id,) in await _fetch(
                    self._long, "list_ended", account_id, status.value, before, cutoff, wanted
                )
            ]
        return found

    async def idempotency_keys_before(
        self, cutoff: Instant, limit: int
    ) -> list[tuple[AccountId, str]]:
        """Name idempotency keys made up to an instant, account by account."""
        found = await _fetch(self._long, "list_idempotency_before", cutoff, limit)
        return [(account_id, key) for account_id, key in found]

    async def task_counts(self, account_id: AccountId, limit: int) -> Standing:
        """Read an account's counts of so many types, and since when the oldest task waits."""
        found = await _fetch(self._quick, "load_task_counts", account_id, limit)
        ((now, oldest_at),) = await _fetch(
            self._quick, "oldest_pending", self._moment(), account_id
        )
        by_type = dict(rows.counts_of(tuple(row)) for row in found)
        return Standing(now=now, by_type=by_type, oldest_pending_at=oldest_at)

    async def task_minutes(
        self, account_id: AccountId, types: Sequence[str], minutes: Sequence[Instant]
    ) -> list[Minute]:
        """Read what happened to tasks of some types in some minutes."""
        found = await _fetch(
            self._quick, "load_task_minutes", account_id, list(types), list(minutes)
        )
        return [rows.minute_of_row(tuple(row)) for row in found]

    async def minutes_before(
        self, cutoff: Instant, limit: int
    ) -> list[tuple[AccountId, tuple[str, Instant]]]:
        """Name minutes that began up to an instant, by account and type."""
        found = await _fetch(self._long, "list_minutes_before", cutoff, limit)
        return [(account_id, (type_, minute_at)) for account_id, type_, minute_at in found]

    async def idle_types(self, account_id: AccountId, limit: int) -> list[str]:
        """Name types that an account has counts but no tasks of."""
        return [name for (name,) in await _fetch(self._long, "list_idle_types", account_id, limit)]

    async def counts(self) -> dict[Status, int]:
        """Count tasks by status; reads a whole index, so ask seldom."""
        found = {row[0]: row[1] for row in await _fetch(self._long, "count_by_status")}
        return {status: found.get(status.value, 0) for status in Status}

    async def state(self) -> DatabaseState:
        """Read how the database is doing; ask seldom."""
        (row,) = await _fetch(self._long, "load_state")
        return DatabaseState(
            size_bytes=row["size_bytes"],
            connections=row["connections"],
            connections_max=row["connections_max"],
            oldest_snapshot_transactions=row["oldest_snapshot_transactions"],
            oldest_snapshot_seconds=row["oldest_snapshot_seconds"],
            dead_rows=dict(zip(row["tables"], row["dead_rows"], strict=True)),
        )

    async def any_key(self) -> bool:
        """Tell whether a key was ever made."""
        return bool(await _fetch(self._quick, "any_key"))

    async def _purchase(self, statement: str, *key: object) -> Purchase | None:
        for row in await _fetch(self._quick, statement, *key):
            return rows.purchase_of(tuple(row))
        return None

    def _moment(self) -> Instant | None:
        return None if self._given is None else self._given.now()

    def _found(self, found: Sequence[asyncpg.Record]) -> Found:
        # Each row carries the time it was read at; where there is none, nothing depends on it.
        now = found[0][0] if found else self._clock.now()
        return Found(tasks=[rows.task_of(row[1:]) for row in found], now=now)


async def _fetch(pool: Pool, statement: str, *arguments: object) -> Sequence[asyncpg.Record]:
    return await _read(pool, lambda session: session.fetch(SQL[statement], *arguments))


async def _read(pool: Pool, read: Callable[[Session], Awaitable[R]]) -> R:
    """Read; where sessions are lent only, in a transaction, for only that can carry limits."""
    async with pool.connection() as session:
        try:
            if not session.pooled:
                return await read(session)
            await begin(session)
            found = await read(session)
            await session.execute("rollback")
        except Exception as error:
            await roll_back(session)
            raise before_commit(error) from error
        return found


async def _account(pool: Pool, account_id: AccountId) -> Account | None:
    for row in await _fetch(pool, "load_account", account_id):
        return rows.account_of(tuple(row))
    return None


def _page_statement(query: PageQuery) -> tuple[str, Sequence[Any]]:
    """Name the statement for the filters, and the values it takes beside what all take."""
    match query.status:
        case None if query.type is None:
            return "list_page", ()
        case None:
            return "list_page_by_type", (query.type,)
        case Status.PENDING:
            return "list_page_pending", (query.type,)
        case Status.CLAIMED:
            return "list_page_claimed", (query.type,)
        case _:
            return "list_page_ended", (query.type, query.status.value)
