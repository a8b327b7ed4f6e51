"""One session for an operator's work: whatever breaks ends it with one line."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import asyncpg

from orchestrion.core.faults import Conflict, Poison, StoreRefused, Unavailable, Unknown
from orchestrion.store.postgres.connecting import begin, commit
from orchestrion.store.postgres.place import OPERATOR, Place
from orchestrion.store.postgres.session import Session, open_session

CLOSING_SECONDS: Final = 2.0
_LOST: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)

_ROLES: Final = "for what a role needs see `orchestrion db sql --roles`"


@asynccontextmanager
async def opened(place: Place, patience_seconds: float = 0) -> AsyncIterator[Session]:
    """Open a session and close it; raises StoreRefused for whatever the database refuses."""
    session = await _open(place, patience_seconds)
    try:
        yield session
    except asyncpg.InsufficientPrivilegeError as error:
        message = f"cannot use the database {place.shown}: {_said(error)}; {_ROLES}"
        raise StoreRefused(message) from error
    except (*_LOST, Poison, Conflict) as error:
        raise StoreRefused(f"cannot use the database {place.shown}: {_said(error)}") from error
    finally:
        await _close(session)


async def _open(place: Place, patience_seconds: float) -> Session:
    deadline = asyncio.get_running_loop().time() + patience_seconds
    waiting = False
    while True:
        try:
            return await open_session(place, OPERATOR)
        except Unavailable as error:
            if asyncio.get_running_loop().time() >= deadline:
                raise StoreRefused(str(error)) from error
            if not waiting:
                place.news.awaited(str(error), patience_seconds)
            waiting = True
            await asyncio.sleep(place.first_backoff_seconds)


async def _close(session: Session) -> None:
    if session.committing is None:
        with suppress(*_LOST):
            await session.close(timeout=CLOSING_SECONDS)
        return
    # A farewell would ask the server to cancel the commit, which may be written already.
    session.terminate()
    await asyncio.gather(session.committing, return_exceptions=True)


@asynccontextmanager
async def looking(session: Session) -> AsyncIterator[None]:
    """Run one transaction that changes nothing."""
    await begin(session)
    try:
        yield
    finally:
        await _roll_back(session)


@asynccontextmanager
async def transaction(session: Session, on_doubt: str) -> AsyncIterator[None]:
    """Run one transaction; `on_doubt` says what to do if it may be committed and may not."""
    await begin(session)
    try:
        yield
    except BaseException:
        await _roll_back(session)
        raise
    try:
        await commit(session)
    except Unknown as error:
        raise StoreRefused(f"{_said(error)}; it may have been committed: {on_doubt}") from error


async def _roll_back(session: Session) -> None:
    with suppress(*_LOST):
        await session.execute("rollback")


def _said(error: Exception) -> str:
    # The first argument alone: the details of an error may quote what tenants sent.
    return str(error.args[0]).splitlines()[0] if error.args else type(error).__name__
