"""The sessions of one role: opened on demand, bounded, and never used again once in doubt."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final

from orchestrion.core.faults import (
    Blocked,
    Conflict,
    Crowded,
    Poison,
    StoreRefused,
    Unavailable,
    Unknown,
)
from orchestrion.store.postgres.away import Away
from orchestrion.store.postgres.faults import DRIVER_ERRORS, at_commit, before_commit
from orchestrion.store.postgres.place import WRITER, Place, Role
from orchestrion.store.postgres.session import Session, durability_warnings, open_session

# Longer than any commit is waited for: asyncpg must never ask the server to cancel one.
_NEVER: Final = 1_000_000.0
_ROLLBACK_SECONDS: Final = 1.0
_CLOSING_SECONDS: Final = 2.0
_BUSY: Final = "no connection to the database became free in time"
_CLOSED: Final = "the connections to the database are closed"


class Pool:
    """At most `size` sessions. While the database is away every caller hears so at once.

    One caller at a time then tries to reach it, after a pause; so there is never a storm of
    connections, and the first caller after the pause finds the database again.
    """

    def __init__(self, place: Place, size: int, role: Role = WRITER) -> None:
        self.size = size
        self.warnings: list[str] = []
        self._place = place
        self._role = role
        self._idle: list[Session] = []
        # Taken by a session, by one being opened, or by one whose commit has not ended.
        self._slots = 0
        self._opening = 0
        # Each is given a session, or None: a slot to open one in.
        self._waiters: deque[asyncio.Future[Session | None]] = deque()
        self._lingering: set[Session] = set()
        self._away = Away(place)
        self._closed = False

    async def open(self) -> None:
        """Open the first session and look the server over; `warnings` has what was found.

        A database that is just starting is waited for. Raises StoreRefused or Unavailable.
        """
        deadline = asyncio.get_running_loop().time() + self._place.opening_seconds
        waiting = False
        while True:
            try:
                session = await open_session(self._place, self._role)
            except Unavailable as error:
                if asyncio.get_running_loop().time() >= deadline:
                    raise
                if not waiting:
                    self._place.news.awaited(str(error), self._place.opening_seconds)
                waiting = True
                await asyncio.sleep(self._place.first_backoff_seconds)
                continue
            break
        self._slots += 1
        try:
            self.warnings = await durability_warnings(session)
        except BaseException as error:
            self._drop(session)
            raise before_commit(error) from error
        self._give(session)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Session]:
        """Lend a session; raises Unavailable.

        It is closed when the block ends in a transaction or with an error that leaves its state
        in doubt. Poison, Conflict and Blocked leave none once they are rolled back.
        """
        session = await self._take()
        try:
            yield session
        except (Poison, Conflict, Blocked):
            self._give_back(session)
            raise
        except BaseException:
            self._drop(session)
            raise
        else:
            self._give_back(session)

    async def close(self) -> None:
        """Close what is idle and refuse everything from now on; what is in use closes on return."""
        self._closed = True
        self._refuse_waiters(_CLOSED)
        commits = [session.committing for session in self._lingering if session.committing]
        for session in tuple(self._lingering):
            session.terminate()
        await asyncio.gather(*commits, return_exceptions=True)
        while self._idle:
            session = self._idle.pop()
            self._slots -= 1
            # Only a farewell: a server that is gone does not hear it.
            with suppress(Exception):
                await session.close(timeout=_CLOSING_SECONDS)

    async def _take(self) -> Session:
        if self._closed:
            raise Unavailable(_CLOSED)
        session = self._rested()
        if session is None and self._slots < self.size and self._away.may_try():
            self._slots += 1
            # Where the server has no room for more, what there is must do.
            with suppress(Unavailable):
                return await self._open()
            session = self._rested()
        if session is not None:
            return session
        if self._nothing_to_wait_for():
            raise Unavailable(self._away.why)
        return await self._wait()

    def _rested(self) -> Session | None:
        while self._idle:
            # The latest first: the others may rest until the load needs them.
            session = self._idle.pop()
            if not session.is_closed():
                return session
            self._slots -= 1
        return None

    async def _open(self) -> Session:
        """Open a session in a slot that is taken already."""
        self._opening += 1
        try:
            with self._away.trying():
                session = await open_session(self._place, self._role)
        except BaseException as error:
            self._opening -= 1
            self._free_slot()
            if isinstance(error, Exception) and self._nothing_to_wait_for():
                self._place.news.away(str(error))
            if isinstance(error, StoreRefused):
                # At a start a mistake is refused; later on it can only be a change over there.
                raise Unavailable(str(error)) from error
            raise
        self._opening -= 1
        self._place.news.back()
        if self._closed:
            self._drop(session)
            raise Unavailable(_CLOSED)
        return session

    async def _wait(self) -> Session:
        if len(self._waiters) >= self._place.waiting_max:
            raise Crowded("too many callers wait for a connection to the database")
        waiter: asyncio.Future[Session | None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(self._place.waiting_seconds):
                session = await waiter
        except BaseException as error:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            elif not waiter.cancelled() and waiter.exception() is None:
                # It was given something in the same moment, which must not be lost.
                self._pass_on(waiter.result())
            if isinstance(error, TimeoutError):
                raise Unavailable(_BUSY) from error
            raise
        return await self._open() if session is None else session

    def _give_back(self, session: Session) -> None:
        if self._closed or session.is_closed() or session.is_in_transaction():
            self._drop(session)
        else:
            self._give(session)

    def _give(self, session: Session) -> None:
        if not self._hand_over(session):
            self._idle.append(session)

    def _drop(self, session: Session) -> None:
        if session.committing is None:
            session.terminate()
            self._free_slot()
            return
        # It keeps its slot while the commit goes on, or stuck commits would use up the server.
        self._lingering.add(session)
        loop = asyncio.get_running_loop()
        timer = loop.call_later(self._place.lingering_seconds, session.terminate)
        session.committing.add_done_callback(partial(self._lingered, session, timer))

    def _lingered(
        self, session: Session, timer: asyncio.TimerHandle, committing: asyncio.Task[str]
    ) -> None:
        timer.cancel()
        if not committing.cancelled():
            # Nobody else asks how it ended.
            committing.exception()
        session.terminate()
        self._lingering.discard(session)
        self._free_slot()

    def _free_slot(self) -> None:
        if self._away.may_try() and self._hand_over(None):
            return
        self._slots -= 1
        if self._nothing_to_wait_for():
            self._refuse_waiters(self._away.why)

    def _nothing_to_wait_for(self) -> bool:
        """Tell whether the database is away and no session is left that may come back."""
        return self._away.noted and self._slots - self._opening - len(self._lingering) <= 0

    def _refuse_waiters(self, why: str) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(Unavailable(why))

    def _pass_on(self, given: Session | None) -> None:
        if given is None:
            self._free_slot()
        else:
            self._give_back(given)

    def _hand_over(self, given: Session | None) -> bool:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(given)
                return True
        return False


async def begin(session: Session) -> None:
    """Open a transaction under the role's limits."""
    await session.execute(session.begin_text)


async def roll_back(session: Session) -> None:
    """End a transaction that shall not happen; a session that cannot do even that is closed."""
    if session.is_closed() or not session.is_in_transaction():
        return
    try:
        await session.execute("rollback", timeout=_ROLLBACK_SECONDS)
    except DRIVER_ERRORS:
        session.terminate()


async def commit(session: Session) -> None:
    """Commit. Raises Poison or Conflict where PostgreSQL refused, else Unknown.

    It is never cancelled, for it may already be written: whoever has waited too long for the
    answer, or stopped waiting, leaves it to the pool.
    """
    session.warned = ""
    committing = asyncio.create_task(session.execute("commit", timeout=_NEVER))
    session.committing = committing
    await asyncio.wait({committing}, timeout=session.commit_seconds)
    if not committing.done():
        raise Unknown(f"a commit was not answered within {session.commit_seconds} s")
    session.committing = None
    error = committing.exception()
    if error is not None:
        raise at_commit(error) from error
    if committing.result() != "COMMIT":
        raise Poison("the transaction had failed, and was rolled back")
    if session.warned:
        # Committed here, but not confirmed by the standby it was to wait for.
        raise Unknown(f"a commit was answered with a warning: {session.warned}")
