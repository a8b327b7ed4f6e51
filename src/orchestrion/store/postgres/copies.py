"""The record of a copy from a file: until it is verified, nobody serves the database."""

import asyncio
from typing import Final

import msgspec

from orchestrion.core.faults import StoreRefused
from orchestrion.core.instants import Instant
from orchestrion.store.named import load_statements
from orchestrion.store.postgres.place import APPLICATION, SERVING
from orchestrion.store.postgres.session import Session

COPIES: Final = load_statements("orchestrion.store.postgres", "copies.sql")
# The most frequent job of a server comes to the database sooner.
WATCH_SECONDS: Final = 6.0
WATCH_PAUSE_SECONDS: Final = 0.2
_SERVED: Final = "a server is using the database: end all of them, and run the copy again"


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """A copy that was begun; `sums` tells the file's contents from any other's."""

    file: str
    sums: str
    verified_at: Instant | None


async def begun(session: Session) -> Copy | None:
    """Find the record."""
    if not await session.fetchval(COPIES["exists"]):
        return None
    return await _copy(session, "load")


async def begin(session: Session, file: str, sums: str) -> Copy:
    """Record a copy unless there is one, and give the one there is."""
    await session.execute(COPIES["make"])
    await session.execute(COPIES["begin"], file, sums)
    return await locked(session)


async def locked(session: Session) -> Copy:
    """Keep every other copy out until the transaction ends."""
    copy = await _copy(session, "lock")
    if copy is None:
        raise StoreRefused("the record of the copy is gone: empty the database and begin again")
    return copy


async def verify(session: Session, now: Instant) -> None:
    """Let servers in."""
    await session.execute(COPIES["verify"], now)


async def refuse_unverified(session: Session) -> None:
    """Raise StoreRefused for a database that a copy has not finished."""
    copy = await begun(session)
    if copy is not None and copy.verified_at is None:
        raise StoreRefused(
            f"the database holds an unfinished copy of {copy.file}: finish it by running "
            "`orchestrion db copy` again"
        )


async def refuse_served(session: Session) -> None:
    """Raise StoreRefused while a server uses the database; in a transaction.

    Behind a pooler a server is seen only while it is there, and never in the session that is lent
    to whoever looks: so that one is kept, and the others are watched.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + WATCH_SECONDS
    while True:
        found = await session.fetch(COPIES["servers"], SERVING, APPLICATION)
        if any(busy or not lent for lent, busy in found):
            raise StoreRefused(_SERVED)
        if not (found or session.pooled) or loop.time() > deadline:
            return
        await asyncio.sleep(WATCH_PAUSE_SECONDS)
        await session.execute(COPIES["look_again"])


async def _copy(session: Session, statement: str) -> Copy | None:
    row = await session.fetchrow(COPIES[statement])
    if row is None:
        return None
    return Copy(file=row["file"], sums=row["sums"], verified_at=row["verified_at"])
