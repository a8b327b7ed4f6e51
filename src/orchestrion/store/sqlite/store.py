"""One transaction per batch: load what is needed, decide, save, commit."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

import apsw

from orchestrion.core.clock import Clock
from orchestrion.core.faults import Conflict, Fault, Poison, Unavailable, Unknown
from orchestrion.core.view import Needs, View
from orchestrion.store.sqlite.database import BUSY_TIMEOUT_MS
from orchestrion.store.sqlite.loading import Loader
from orchestrion.store.sqlite.saving import Saver

R = TypeVar("R")

# Pages by which the WAL grows before they are moved into the file.
CHECKPOINT_PAGES: Final = 2_000
# Above this the WAL is cut as well, for which readers that were there before must leave: they are
# waited for a moment. Only a reader that stays, such as a backup, lets the WAL grow further.
WAL_PAGES_MAX: Final = 50_000
CUT_WAIT_MS: Final = 250
MARK = "time"
BEGIN: Final = "begin immediate"

_BLOCKED = (apsw.BusyError, apsw.LockedError, apsw.SchemaChangeError)
_SICK = (
    apsw.FullError,
    apsw.IOError,
    apsw.CantOpenError,
    apsw.ReadOnlyError,
    apsw.NoMemError,
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.InterruptError,
    apsw.AuthError,
)


class SqliteStore:
    """Writes for the engine. Fits `engine.ports.Store`."""

    # The file takes one transaction at a time, of any accounts.
    one_account: Final = False
    lanes: Final = 1

    def __init__(self, connection: apsw.Connection, clock: Clock, loader: Loader) -> None:
        self._connection = connection
        self._clock = clock
        self._loader = loader
        self._saver = Saver(connection)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="writer")
        self._checkpointing: asyncio.Future[None] | None = None
        self._wal_pages = 0
        self._checkpoint_at = CHECKPOINT_PAGES
        self.commits = 0
        connection.set_wal_hook(self._wal_grew)
        connection.set_busy_timeout(0)

    async def transact(self, needs: Needs, decide: Callable[[View], R]) -> R:
        """Run one transaction; one caller at a time.

        Loading, deciding and saving take microseconds per command and stay on the event loop: in
        a thread every row would hand the interpreter to and fro. What waits for the disk runs in
        the thread, while the loop reads the next requests.

        Raises Poison, Conflict, Unavailable or Unknown.
        """
        await self._checkpointed()
        await self._begin()
        try:
            now = self._clock.now()
            view = self._loader.load(needs, now)
            result = decide(view)
            changed = self._saver.save(view)
            if changed:
                # No later run may fall behind what was promised at this instant.
                self._saver.mark(MARK, now)
        except BaseException as error:
            self._roll_back()
            raise _before_commit(error) from error
        if not changed:
            self._roll_back()
            return result
        await self._in_thread(self._commit)
        self._loader.committed(view)
        if self._wal_pages >= self._checkpoint_at:
            self._checkpoint_at = self._wal_pages + CHECKPOINT_PAGES
            self._checkpointing = self._in_thread(self._checkpoint)
        return result

    async def close(self) -> None:
        """Finish what runs, empty the WAL and close the file."""
        await self._checkpointed()
        await self._in_thread(self._connection.close)
        self._thread.shutdown()

    async def _checkpointed(self) -> None:
        running, self._checkpointing = self._checkpointing, None
        if running is not None:
            await running

    def _in_thread(self, work: Callable[[], None]) -> asyncio.Future[None]:
        return asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _begin(self) -> None:
        try:
            self._connection.execute(BEGIN)
        except apsw.BusyError:
            # An operator's short transaction: wait for it where waiting stops nobody else.
            await self._in_thread(self._begin_patiently)
        except apsw.Error as error:
            raise _before_commit(error) from error

    def _begin_patiently(self) -> None:
        self._connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        try:
            self._connection.execute(BEGIN)
        except apsw.Error as error:
            raise _before_commit(error) from error
        finally:
            self._connection.set_busy_timeout(0)

    def _commit(self) -> None:
        try:
            self._connection.execute("commit")
        except (*_BLOCKED, apsw.FullError) as error:
            # SQLite refused before a byte of the commit record was written.
            self._roll_back()
            raise _before_commit(error) from error
        except apsw.Error as error:
            # The record may or may not be on disk. The next transaction will tell.
            self._roll_back()
            self._loader.forget()
            message = f"the commit's answer was lost: {error}"
            raise Unknown(message) from error
        self.commits += 1

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("rollback")

    def _wal_grew(self, _: apsw.Connection, __: str, pages: int) -> int:
        if pages < self._wal_pages:
            # Everything had been moved: the WAL is written from its beginning again.
            self._checkpoint_at = CHECKPOINT_PAGES
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _checkpoint(self) -> None:
        mode = apsw.SQLITE_CHECKPOINT_PASSIVE
        if self._wal_pages > WAL_PAGES_MAX:
            mode = apsw.SQLITE_CHECKPOINT_TRUNCATE
            self._connection.set_busy_timeout(CUT_WAIT_MS)
        # Should it break off, nothing is lost: the pages stay in the WAL until the next try.
        with suppress(apsw.Error):
            self._connection.wal_checkpoint(mode=mode)
        with suppress(apsw.Error):
            self._connection.set_busy_timeout(0)


def _before_commit(error: BaseException) -> BaseException:
    """Name what went wrong before a commit, when the transaction is surely rolled back."""
    match error:
        case Fault():
            return error
        case apsw.Error() if isinstance(error, _BLOCKED):
            return Conflict(str(error))
        case apsw.Error() if isinstance(error, _SICK):
            return Unavailable(str(error))
        case Exception():
            return Poison(f"{type(error).__name__}: {error}")
        case _:
            return error
