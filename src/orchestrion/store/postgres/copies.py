"""The record of a copy from a file: until it is verified, nobody serves the database."""

from typing import Final

import msgspec

from orchestrion.core.faults import StoreRefused
from orchestrion.core.instants import Instant
from orchestrion.store.named import load_statements
from orchestrion.store.postgres.session import Session

COPIES: Final = load_statements("orchestrion.store.postgres", "copies.sql")


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


async def _copy(session: Session, statement: str) -> Copy | None:
    row = await session.fetchrow(COPIES[statement])
    if row is None:
        return None
    return Copy(file=row["file"], sums=row["sums"], verified_at=row["verified_at"])
