"""What is copied: the tables, their pages by key, and the sum that tells whether two are equal."""

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from orchestrion.copying.outcome import Sum
from orchestrion.store.named import load_statements

SQL: Final = load_statements("orchestrion.copying")
# With the longest payload, result and reason in every row a page takes about 70 MB.
PAGE_ROWS: Final = 500

Row = tuple[Any, ...]
Key = tuple[str | bytes | int, ...]


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table whose rows begin with the columns of their key."""

    name: str
    # What sorts before every key.
    start: Key

    @property
    def page(self) -> str:
        """The statement that gives the rows after a key."""
        return SQL[self.name]

    @property
    def last(self) -> str:
        """The statement that gives the greatest key."""
        return SQL[f"last_of_{self.name}"]

    def key_of(self, row: Row) -> Key:
        """Give the key of a row."""
        return row[: len(self.start)]


TABLES: Final = (
    Table(name="accounts", start=("",)),
    Table(name="api_keys", start=(b"",)),
    Table(name="tasks", start=("", "")),
    Table(name="idempotency_keys", start=("", "")),
    Table(name="request_counts", start=("", "", "")),
    Table(name="worker_asks", start=("",)),
    Table(name="purchases", start=("", "")),
    Table(name="task_counts", start=("", "")),
    Table(name="task_minutes", start=("", "", 0)),
)


class Adding:
    """Makes a sum, page by page."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._hash = hashlib.sha256()
        self._rows = 0

    def add(self, rows: Sequence[Row]) -> None:
        """Add rows; MessagePack keeps types, lengths and NULL apart."""
        self._rows += len(rows)
        for row in rows:
            self._hash.update(msgspec.msgpack.encode(row))

    def sum(self) -> Sum:
        """Give the sum of what was added."""
        return Sum(table=self._table.name, rows=self._rows, sha256=self._hash.hexdigest())
