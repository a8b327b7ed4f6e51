"""Applies numbered SQL files in order, and records each in the same transaction."""

import re
from collections.abc import Collection, Iterable
from importlib.resources import files
from typing import Protocol

import msgspec

from orchestrion.core.faults import StoreRefused

_FILE = re.compile(r"(\d{4})_(pre|post)_\w+\.sql")


class Migration(msgspec.Struct, frozen=True, kw_only=True):
    """One numbered file."""

    number: int
    name: str
    sql: str


class Database(Protocol):
    """What a dialect offers to be migrated."""

    def applied(self) -> list[int]:
        """Give the numbers already recorded; empty for a new database."""
        ...

    def apply(self, migration: Migration) -> None:
        """Run the file and record its number in one transaction."""
        ...


def load_migrations(package: str) -> list[Migration]:
    """Read the dialect's files in order of their numbers."""
    found = [
        Migration(number=int(match.group(1)), name=entry.name, sql=entry.read_text("utf-8"))
        for entry in files(package).joinpath("migrations").iterdir()
        if (match := _FILE.fullmatch(entry.name))
    ]
    return sorted(found, key=lambda migration: migration.number)


def migrate(database: Database, migrations: Iterable[Migration]) -> None:
    """Bring the database up to date; raises StoreRefused if it is newer than this program."""
    known = list(migrations)
    applied = set(database.applied())
    refuse_newer(applied, known)
    for migration in known:
        if migration.number not in applied:
            database.apply(migration)


def refuse_newer(applied: Collection[int], known: Collection[Migration]) -> None:
    """Raise StoreRefused if something was applied that this program does not know."""
    newest = max((migration.number for migration in known), default=0)
    if applied and max(applied) > newest:
        message = (
            f"the database has schema {max(applied)}, this program knows {newest}: "
            "run a newer version"
        )
        raise StoreRefused(message)
