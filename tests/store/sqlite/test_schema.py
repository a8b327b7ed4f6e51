"""The schema and its migrations."""

import re
from importlib.resources import files
from pathlib import Path

import apsw
import pytest
from msgspec.structs import replace

from orchestrion.core.faults import StoreRefused
from orchestrion.core.task import Task
from orchestrion.store.migrate import Migration, load_migrations
from orchestrion.store.sqlite.database import Place, open_writer
from orchestrion.store.sqlite.migrating import applied, migrate

PACKAGE = "orchestrion.store.sqlite"
KNOWN = load_migrations(PACKAGE)
NEXT = Migration(
    number=KNOWN[-1].number + 1, name="next", sql="create table extra (x integer) strict;"
)


def described(connection: apsw.Connection) -> list[tuple[str, ...]]:
    found = connection.execute("select type, name, tbl_name, sql from sqlite_schema")
    # A column that was added later stands on no line of its own.
    return sorted(
        (kind, name, table, re.sub(r"\s*([(),\s])\s*", r"\1", sql or ""))
        for kind, name, table, sql in found
    )


def test_the_schema_equals_the_sum_of_its_migrations() -> None:
    new, migrated = apsw.Connection(""), apsw.Connection("")
    new.execute(files(PACKAGE).joinpath("schema.sql").read_text("utf-8"))

    migrate(migrated, KNOWN)

    assert described(new) == described(migrated)


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [migration.number for migration in KNOWN] == list(range(1, len(KNOWN) + 1))


def test_every_table_is_strict(path: Path) -> None:
    connection = open_writer(Place(path=path))

    tables = connection.execute("select name, strict from pragma_table_list where schema = 'main'")

    assert [name for name, strict in tables if not strict] == ["sqlite_schema"]
    connection.close()


def test_the_columns_of_a_task_stand_in_the_order_of_its_fields(path: Path) -> None:
    connection = open_writer(Place(path=path))

    columns = [
        name for (name,) in connection.execute("select name from pragma_table_info('tasks')")
    ]

    # The statements name them all; only `due_at` has no place among the fields.
    columns.remove("due_at")
    assert columns == list(Task.__struct_fields__)
    connection.close()


def test_a_database_is_migrated_once(path: Path) -> None:
    open_writer(Place(path=path)).close()
    again = open_writer(Place(path=path))

    recorded = [number for (number,) in again.execute("select number from schema_migrations")]

    assert recorded == [migration.number for migration in KNOWN]
    again.close()


def test_an_older_database_gets_what_it_lacks(path: Path) -> None:
    connection = open_writer(Place(path=path))

    migrate(connection, [*KNOWN, NEXT])

    assert connection.table_exists(None, "extra")
    assert applied(connection)[-1].number == NEXT.number
    connection.close()


def test_a_newer_database_is_refused_with_what_to_do(path: Path) -> None:
    connection = open_writer(Place(path=path))
    migrate(connection, [*KNOWN, NEXT])
    connection.close()

    with pytest.raises(StoreRefused) as refused:
        open_writer(Place(path=path))

    assert f"schema {NEXT.number}" in str(refused.value)
    assert "newer version" in str(refused.value)


def test_a_migration_that_breaks_leaves_nothing_behind(path: Path) -> None:
    connection = open_writer(Place(path=path))
    broken = replace(NEXT, sql=NEXT.sql + "create table extra (x integer) strict;")

    with pytest.raises(apsw.SQLError):
        migrate(connection, [*KNOWN, broken])

    assert not connection.table_exists(None, "extra")
    assert [one.number for one in applied(connection)] == [one.number for one in KNOWN]
    connection.close()


def test_no_rule_hides_in_the_schema() -> None:
    for name in ("schema.sql", "queries.sql"):
        text = files(PACKAGE).joinpath(name).read_text("utf-8")
        statements = re.sub(r"--[^\n]*", "", text)
        assert not re.search(r"\b(trigger|case|unixepoch|now\s*\(|datetime)\b", statements)
