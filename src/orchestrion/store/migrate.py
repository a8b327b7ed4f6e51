"""Numbered SQL files and which of them are due; must not know any database.

A `pre` file only adds: programs of the version before go on beside it, so it may be applied while
they run. A `post` file takes away what only they needed, and waits until the last has ended. A
`pre` file leans on no `post` file of the same version or the last.
"""

import re
from collections.abc import Collection, Sequence
from importlib.resources import files
from typing import Literal, TypeAlias

import msgspec

from orchestrion.core.faults import StoreRefused

_FILE = re.compile(r"(\d{4})_(pre|post)_\w+\.sql")

Phase: TypeAlias = Literal["pre", "post"]
Selection: TypeAlias = Literal["pre", "post", "all"]


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """The record of a file that was applied, perhaps by a newer version."""

    number: int
    name: str

    @property
    def phase(self) -> Phase:
        """When it may be applied; what does not say so counts as the stricter."""
        match = _FILE.fullmatch(self.name)
        return "pre" if match and match[2] == "pre" else "post"


class Migration(Applied, frozen=True, kw_only=True):
    """One numbered file."""

    sql: str


def load_migrations(package: str) -> list[Migration]:
    """Read the dialect's files in order of their numbers."""
    found = [
        Migration(number=int(match.group(1)), name=entry.name, sql=entry.read_text("utf-8"))
        for entry in files(package).joinpath("migrations").iterdir()
        if (match := _FILE.fullmatch(entry.name))
    ]
    return sorted(found, key=lambda migration: migration.number)


def outstanding(applied: Collection[Applied], known: Sequence[Migration]) -> list[Migration]:
    """Give what was not applied yet, in order."""
    numbers = {record.number for record in applied}
    return [migration for migration in known if migration.number not in numbers]


def due(applied: Collection[Applied], known: Sequence[Migration], phase: Phase) -> list[Migration]:
    """Give what may be applied now, in order: `post` means that no older program runs."""
    lacking = outstanding(applied, known)
    if phase == "post" or not applied:
        return lacking
    return [migration for migration in lacking if migration.phase == "pre"]


def newer(applied: Collection[Applied], known: Sequence[Migration]) -> str:
    """Say that something was applied that this program does not know; nothing if that is not so."""
    newest_known = max((migration.number for migration in known), default=0)
    newest = max((record.number for record in applied), default=0)
    if newest <= newest_known:
        return ""
    return (
        f"the database has schema {newest}, this program knows {newest_known}: run a newer version"
    )


def departed(applied: Collection[Applied], known: Sequence[Migration]) -> str:
    """Say that a newer version has taken away what this program may need; else nothing."""
    return newer([record for record in applied if record.phase == "post"], known)


def refuse_newer(applied: Collection[Applied], known: Sequence[Migration]) -> None:
    """Raise StoreRefused if anything was applied that this program does not know."""
    if why := newer(applied, known):
        raise StoreRefused(why)


def refuse_departed(applied: Collection[Applied], known: Sequence[Migration]) -> None:
    """Raise StoreRefused if a newer version has taken away what this program may need."""
    if why := departed(applied, known):
        raise StoreRefused(why)
