"""Mutants of the stores: what is read, locked, kept and flushed wrongly."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import apsw
import asyncpg

from orchestrion.store.postgres import backend, claiming, loading, saving
from orchestrion.store.postgres.place import Place
from orchestrion.store.sqlite import database, reading
from orchestrion.store.sqlite.store import SqliteStore
from tests.chaos.mutants.seams import Seams

# Between the answer and the commit it promised.
LATE_SECONDS: Final = 0.05
_LOCK_ACCOUNT: Final = "for no key update"


def lease_judged_by_the_servers_clock(seams: Seams) -> None:
    """M2: transactions go by the clock of the process instead of the database's."""
    seams.replace(loading.Loader, "_now", property(lambda _: int(time.time() * 1_000)))


def time_of_the_begin(seams: Seams) -> None:
    """M3: time is that of the begin, which comes before every lock is waited for."""
    for module in (loading, claiming):
        seams.reword_all(module, "clock_timestamp()", "now()")


def answer_before_the_commit(seams: Seams) -> None:
    """M4: the outcome is told while the commit is still to come."""
    in_thread = seams.original(SqliteStore, "_in_thread")
    seams.original(SqliteStore, "_commit")
    seams.original(SqliteStore, "_checkpointed")

    def hurried(store: SqliteStore, work: Callable[[], None]) -> asyncio.Future[None]:
        if work.__name__ != "_commit":
            running: asyncio.Future[None] = in_thread(store, work)
            return running

        def late() -> None:
            time.sleep(LATE_SECONDS)
            work()

        # The next transaction waits for this one, as for a checkpoint.
        store._checkpointing = in_thread(store, late)  # noqa: SLF001 - the seam
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        told.set_result(None)
        return told

    seams.replace(SqliteStore, "_in_thread", hurried)


def no_flush(seams: Seams) -> None:
    """M5: synchronous = OFF: a commit is left to the operating system's memory."""
    connect = seams.original(database, "connect")

    def careless(place: database.Place) -> apsw.Connection:
        connection: apsw.Connection = connect(place)
        connection.pragma("synchronous", "off")
        return connection

    seams.replace(database, "connect", careless)


def claim_without_locks(seams: Seams) -> None:
    """M6: a claim selects, then updates: neither the task nor the account is locked meanwhile."""
    for statement in ("lock_account", "lock_accounts"):
        seams.reword(loading, statement, _LOCK_ACCOUNT, "")
    for statement in ("load_claimable", "load_claimable_of_many"):
        seams.reword(claiming, statement, "for update skip locked", "")


def keys_are_not_unique(seams: Seams) -> None:
    """M7: nothing keeps two rows of one idempotency key apart: no index, and no lock before it."""
    for statement in ("lock_account", "lock_accounts"):
        seams.reword(loading, statement, _LOCK_ACCOUNT, "")
    kept = loading.SQL["save_idempotency"]
    where = kept.find("on conflict")
    seams.reword(saving, "save_idempotency", kept[where:] if where >= 0 else "on conflict", ";")
    opened = seams.original(backend, "open_backend")

    async def open_without_index(place: Place, *rest: Any) -> backend.Backend:  # noqa: ANN401
        beside = await asyncpg.connect(place.url)
        await beside.execute(
            "alter table idempotency_keys drop constraint if exists idempotency_keys_pkey"
        )
        await beside.close()
        found: backend.Backend = await opened(place, *rest)
        return found

    seams.replace(backend, "open_backend", open_without_index)


def a_read_forgets_the_account(seams: Seams) -> None:
    """M14: GET of a task finds it by its id alone, whosever it is."""
    seams.reword(reading, "load_task", "account_id = ?1 and", "?1 is not null and")
