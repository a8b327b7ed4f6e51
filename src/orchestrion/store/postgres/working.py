"""One session for an operator's work: whatever breaks ends it with one line."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import asyncpg

from orchestrion.core.faults import StoreRefused, Unavailable
from orchestrion.store.postgres.place import OPERATOR, Place
from orchestrion.store.postgres.session import Session, open_session

CLOSING_SECONDS: Final = 2.0


@asynccontextmanager
async def opened(place: Place, patience_seconds: float = 0) -> AsyncIterator[Session]:
    """Open a session and close it; raises StoreRefused for whatever the database refuses."""
    session = await _open(place, patience_seconds)
    try:
        yield session
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise StoreRefused(f"cannot use the database {place.shown}: {_said(error)}") from error
    finally:
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            await session.close(timeout=CLOSING_SECONDS)


async def _open(place: Place, patience_seconds: float) -> Session:
    deadline = asyncio.get_running_loop().time() + patience_seconds
    while True:
        try:
            return await open_session(place, OPERATOR)
        except Unavailable as error:
            if asyncio.get_running_loop().time() >= deadline:
                raise StoreRefused(str(error)) from error
            await asyncio.sleep(place.first_backoff_seconds)


@asynccontextmanager
async def transaction(session: Session) -> AsyncIterator[None]:
    """Run one transaction."""
    await session.execute(session.begin_text)
    try:
        yield
    except BaseException:
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            await session.execute("rollback")
        raise
    await session.execute("commit")


def _said(error: Exception) -> str:
    # The first argument alone: the details of an error may quote what tenants sent.
    return str(error.args[0]).splitlines()[0] if error.args else type(error).__name__
