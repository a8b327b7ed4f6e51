"""Brings a file up to date; it has one server, so nothing older runs beside and phases are one."""

from collections.abc import Sequence
from typing import Final

import apsw

from orchestrion.store.migrate import (
    Applied,
    Migration,
    load_migrations,
    outstanding,
    refuse_newer,
)

KNOWN: Final = tuple(load_migrations("orchestrion.store.sqlite"))
_RECORD: Final = (
    "insert into schema_migrations values (?, ?, cast(unixepoch('subsec') * 1000 as integer))"
)
# For the shell of any SQLite, so without `subsec`, which is younger than some.
_SCRIPT: Final = """\
begin immediate;
{sql}
insert into schema_migrations
values ({number}, '{name}', cast((julianday('now') - 2440587.5) * 86400000 as integer));
commit;
"""


def migrate(connection: apsw.Connection, known: Sequence[Migration]) -> list[Migration]:
    """Apply what is outstanding, and tell what was; raises StoreRefused for a newer file."""
    lacking = refuse_newer_schema(connection, known)
    for migration in lacking:
        with connection:
            connection.execute(migration.sql)
            connection.execute(_RECORD, (migration.number, migration.name))
    return lacking


def refuse_newer_schema(
    connection: apsw.Connection, known: Sequence[Migration] = KNOWN
) -> list[Migration]:
    """Raise StoreRefused for a file that a newer version has changed; gives what it lacks."""
    found = applied(connection)
    refuse_newer(found, known)
    return outstanding(found, known)


def applied(connection: apsw.Connection) -> list[Applied]:
    """Give the records; a file without our table is new."""
    # A look at the file itself: what the connection knows of the schema may be out of date.
    ours = "select 1 from sqlite_schema where name = 'schema_migrations'"
    if connection.execute(ours).get is None:
        return []
    rows = connection.execute("select number, name from schema_migrations order by number")
    return [Applied(number=number, name=name) for number, name in rows]


def script(migrations: Sequence[Migration]) -> str:
    """Write the files, each with its record in one transaction, for the shell of SQLite."""
    return "\n".join(
        _SCRIPT.format(sql=migration.sql.strip(), number=migration.number, name=migration.name)
        for migration in migrations
    )
