"""The PostgreSQL database of a copy: empty, or filled up to a key by a copy of the same file."""

from collections.abc import Sequence
from typing import Final

from orchestrion.copying.tables import PAGE_ROWS, SQL, TABLES, Key, Row, Table
from orchestrion.core.faults import StoreRefused
from orchestrion.core.instants import Instant
from orchestrion.store.named import load_statements
from orchestrion.store.postgres import copies
from orchestrion.store.postgres.copies import Copy
from orchestrion.store.postgres.session import Session
from orchestrion.store.postgres.working import looking, transaction

READ_MOMENT = load_statements("orchestrion.store.postgres")["read_moment"]
_NOT_EMPTY = "a copy needs an empty database, and {table} has rows: make a new one"
_OTHER = (
    "the database holds a copy begun from {file} with other contents than this file's: "
    "make a new database"
)

_ON_DOUBT: Final = "run the copy again, and it goes on where it stopped"


class Target:
    """Rows are added in the order of their keys, so its greatest key tells how far a copy came."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def refuse_unfit(self) -> None:
        """Raise StoreRefused while servers use the database, or for rows that no copy brought."""
        async with looking(self._session):
            copy = await copies.begun(self._session)
            if copy is None or copy.verified_at is None:
                await copies.refuse_served(self._session)
            await self._refuse_foreign()

    async def begin(self, file: str, sums: str) -> Copy:
        """Record the copy or find it recorded; raises StoreRefused if that is another's."""
        async with transaction(self._session, _ON_DOUBT):
            await self._refuse_foreign()
            copy = await copies.begin(self._session, file, sums)
            if copy.sums != sums:
                raise StoreRefused(_OTHER.format(file=copy.file))
        return copy

    async def _refuse_foreign(self) -> None:
        if await copies.begun(self._session) is not None:
            return
        for table in TABLES:
            if await self.last(table) != table.start:
                raise StoreRefused(_NOT_EMPTY.format(table=table.name))

    async def last(self, table: Table) -> Key:
        """Give the greatest key of a table."""
        row = await self._session.fetchrow(table.last)
        return table.start if row is None else tuple(row)

    async def add(self, table: Table, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Add rows, all or none."""
        async with transaction(self._session, _ON_DOUBT):
            await copies.locked(self._session)
            await self._session.copy_records_to_table(table.name, records=rows, columns=columns)

    async def page(self, table: Table, after: Key) -> list[Row]:
        """Read the next rows after a key."""
        return [tuple(row) for row in await self._session.fetch(table.page, *after, PAGE_ROWS)]

    async def count(self) -> int:
        """Count the rows of all tables."""
        count: int = await self._session.fetchval(SQL["count_rows"])
        return count

    async def complete(self) -> None:
        """Give what the file does not have: bounds of leases, and statistics for plans."""
        async with transaction(self._session, _ON_DOUBT):
            await copies.locked(self._session)
            await self._session.execute(SQL["count_leases"])
            await self._session.execute(SQL["analyze"])

    async def verify(self) -> None:
        """Let servers in; raises StoreRefused if one is there already."""
        now = await self.now()
        async with transaction(self._session, _ON_DOUBT):
            await copies.locked(self._session)
            await copies.refuse_served(self._session)
            await copies.verify(self._session, now)

    async def now(self) -> Instant:
        """Read the database's time."""
        now: Instant = await self._session.fetchval(READ_MOMENT, None)
        return now
