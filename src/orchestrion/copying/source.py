"""The SQLite file of a copy, held still while it is read; must not change anything in it."""

import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import apsw
import apsw.ext

from orchestrion.copying.tables import PAGE_ROWS, SQL, Key, Row, Table
from orchestrion.core.faults import StoreRefused
from orchestrion.core.instants import Instant
from orchestrion.store.sqlite.database import Place, connect, lock
from orchestrion.store.sqlite.migrating import refuse_newer_schema
from orchestrion.store.sqlite.store import BEGIN, MARK

# What every file of SQLite that is not empty begins with.
_MAGIC: Final = b"SQLite format 3\0"


class Source:
    """Keeps servers and operators off the file while it is open; raises StoreRefused."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise StoreRefused(f"there is no database at {path}")
        _refuse_other_files(path)
        self.path = path
        try:
            self._lock = lock(path)
        except StoreRefused as error:
            raise StoreRefused(f"{error}; a copy needs it for itself") from error
        try:
            self._connection = _opened(path)
        except BaseException:
            os.close(self._lock)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()
        os.close(self._lock)

    def page(self, table: Table, after: Key) -> list[Row]:
        """Read the next rows after a key."""
        found: list[Row] = self._connection.execute(table.page, (*after, PAGE_ROWS)).fetchall()
        return found

    def columns(self, table: Table) -> list[str]:
        """Name the columns of a page's rows."""
        found = apsw.ext.query_info(self._connection, table.page)
        return [name for name, _ in found.description]

    def count(self) -> int:
        """Count the rows of all tables."""
        return int(self._connection.execute(SQL["count_rows"]).get)

    def mark(self) -> Instant:
        """Give the latest instant a server used."""
        return Instant(self._connection.execute(SQL["load_mark"], (MARK,)).get or 0)


def _refuse_other_files(path: Path) -> None:
    """A lock lies beside the file for good, so it must be worth one."""
    try:
        with path.open("rb") as file:
            start = file.read(len(_MAGIC))
    except OSError as error:
        raise StoreRefused(f"cannot read the database {path}: {error.strerror}") from error
    if start and start != _MAGIC:
        raise StoreRefused(f"cannot read the database {path}: it is no SQLite file")


def _opened(path: Path) -> apsw.Connection:
    try:
        connection = connect(Place(path=path))
        try:
            # The lock stops servers alone: this one stops operators' writes too.
            connection.execute(BEGIN)
            lacking = refuse_newer_schema(connection)
        except BaseException:
            connection.close()
            raise
    except apsw.Error as error:
        raise StoreRefused(f"cannot read the database {path}: {error}") from error
    if lacking:
        connection.close()
        raise StoreRefused(
            f"{path} is of an older version: bring it up to date by "
            f"`orchestrion db migrate --database sqlite:///{path}`"
        )
    return connection
