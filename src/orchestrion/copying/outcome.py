"""What a copy came to, table by table; needs no database and no driver."""

from collections.abc import Sequence

import msgspec


class Sum(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows a table has, and the SHA-256 over all of them in the order of their keys."""

    table: str
    rows: int
    sha256: str


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """A table in the file and in the database."""

    in_file: Sum
    in_database: Sum

    @property
    def same(self) -> bool:
        """Whether every row and column is the same."""
        return self.in_file == self.in_database


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a copy came to."""

    tables: Sequence[Compared]
    # Before this run, which then has looked at the file alone.
    verified_before: bool
    # By how much the file's time is ahead of the database's; 0 where that is nothing to speak of.
    ahead_seconds: float

    @property
    def differing(self) -> list[str]:
        """The tables that are not the same."""
        return [table.in_file.table for table in self.tables if not table.same]
