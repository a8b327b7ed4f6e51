import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orchestrion.cli import main
from orchestrion.store.postgres.migrating import KNOWN as POSTGRES_KNOWN
from orchestrion.store.sqlite.database import lock
from orchestrion.store.sqlite.migrating import KNOWN as SQLITE_KNOWN
from tests.databases import KINDS, SQLITE, Databases, PostgresDatabase

FIT, REFUSED, UNFIT = 0, 1, 3
LATER = "insert into schema_migrations values (99, '0099_post_later.sql', 0)"
FIELDS = {"fit", "database", "server", "size_bytes", "applied", "outstanding", "checks"}


def typed(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["db", *arguments], env={"ORCHESTRION_DATABASE": url})


def succeeds(url: str, *arguments: str) -> Result:
    result = typed(url, *arguments)
    assert result.exit_code == FIT, result.output
    return result


def refused(url: str, *arguments: str) -> str:
    result = typed(url, *arguments)
    assert result.exit_code == REFUSED, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("orchestrion: ")
    assert [line[:6] for line in result.stderr.splitlines()] == ["orches", "next: "]
    return result.stderr


def status(url: str) -> dict[str, object]:
    return dict(json.loads(typed(url, "status", "--json").stdout))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tasks.db"


@pytest.fixture
def database(databases: Databases) -> Iterator[PostgresDatabase]:
    """Lend a shared database of one's own."""
    with databases.postgres.made() as database:
        yield database


@pytest.fixture(params=KINDS)
def empty(databases: Databases, file: Path, request: pytest.FixtureRequest) -> str:
    """Give the URL of a database without any table."""
    return f"sqlite:///{file}" if request.param == SQLITE else databases.postgres.bare()


def names(url: str) -> list[str]:
    known = SQLITE_KNOWN if url.startswith("sqlite") else POSTGRES_KNOWN
    return [migration.name for migration in known]


# --- migrate


def test_an_empty_database_gets_everything_once(empty: str) -> None:
    assert succeeds(empty, "migrate").stdout.splitlines() == names(empty)

    again = succeeds(empty, "migrate", "--post")

    assert (again.stdout, again.stderr) == ("", "Nothing to do.\n")


def test_the_applied_files_may_be_had_as_json(empty: str) -> None:
    assert json.loads(succeeds(empty, "migrate", "--json").stdout) == names(empty)
    assert json.loads(succeeds(empty, "migrate", "--json").stdout) == []


def test_a_file_that_a_server_uses_is_migrated_by_nobody_else(file: Path) -> None:
    url = f"sqlite:///{file}"
    descriptor = lock(file)
    try:
        assert "another server is using" in refused(url, "migrate")
    finally:
        os.close(descriptor)
    succeeds(url, "migrate")


def test_a_file_that_is_up_to_date_may_be_in_use(file: Path) -> None:
    url = f"sqlite:///{file}"
    succeeds(url, "migrate")
    descriptor = lock(file)
    try:
        assert succeeds(url, "migrate").stderr == "Nothing to do.\n"
    finally:
        os.close(descriptor)


# --- status


def test_the_state_of_a_file_that_is_not_there_is_refused_and_makes_none(file: Path) -> None:
    assert "there is no database at" in refused(f"sqlite:///{file}", "status")
    assert not file.exists()


def test_what_an_empty_database_lacks_is_shown(database: PostgresDatabase) -> None:
    database.execute("delete from schema_migrations")

    result = typed(database.url, "status")

    assert result.exit_code == UNFIT
    found = json.loads(result.stdout)
    assert (found["applied"], found["outstanding"]) == ([], names(database.url))


def test_the_state_is_one_object_off_a_terminal(empty: str) -> None:
    succeeds(empty, "migrate")

    found = json.loads(typed(empty, "status").stdout)

    assert set(found) == FIELDS == set(status(empty))
    assert found["outstanding"] == []
    assert found["applied"] == [number for number, _ in enumerate(names(empty), 1)]


def test_a_file_in_order_ends_well(file: Path) -> None:
    succeeds(f"sqlite:///{file}", "migrate")

    assert status(f"sqlite:///{file}")["fit"] is True
    succeeds(f"sqlite:///{file}", "status")


def test_settings_that_lose_work_end_the_look_otherwise(database: PostgresDatabase) -> None:
    ((name,),) = database.fetch("select current_database()")
    database.execute(f"alter database {name} set synchronous_commit = off")

    result = typed(database.url, "status")

    assert result.exit_code == UNFIT
    assert checks(result)["synchronous_commit"].startswith("off: turn it on")


def checks(result: Result) -> dict[str, str]:
    """Read what was looked at: its value and the advice."""
    found = json.loads(result.stdout)["checks"]
    return {check["name"]: f"{check['value']}: {check['advice']}" for check in found}


def assert_too_new(url: str) -> None:
    result = typed(url, "status")
    assert result.exit_code == UNFIT
    assert checks(result)["schema"].startswith("99: the database has schema 99, this program knows")
    assert status(url)["fit"] is False


def test_a_file_that_this_version_refuses_ends_the_look_otherwise(file: Path) -> None:
    succeeds(f"sqlite:///{file}", "migrate")
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(LATER)

    assert_too_new(f"sqlite:///{file}")


def test_a_database_that_this_version_refuses_ends_the_look_otherwise(
    database: PostgresDatabase,
) -> None:
    database.execute(LATER)

    assert_too_new(database.url)


# --- sql


def test_the_sql_is_what_is_outstanding_or_everything(empty: str) -> None:
    before = succeeds(empty, "sql").stdout
    succeeds(empty, "migrate")

    after = succeeds(empty, "sql")

    assert before == succeeds(empty, "sql", "--all").stdout
    for name in names(empty):
        assert f"'{name}'" in before
    assert (after.stdout, after.stderr) == ("", "Nothing to do.\n")


def test_the_sql_of_a_file_makes_one_that_a_server_would_take_over(file: Path) -> None:
    script = succeeds(f"sqlite:///{file}", "sql", "--all").stdout
    assert not file.exists()
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(script)

    assert succeeds(f"sqlite:///{file}", "migrate").stderr == "Nothing to do.\n"
    assert (
        CliRunner()
        .invoke(main, ["keys", "create", "--database", f"sqlite:///{file}"])
        .stdout.startswith("orch_live_")
    )


def test_the_sql_of_the_roles_asks_no_database() -> None:
    result = succeeds("postgresql://127.0.0.1:1/none", "sql", "--roles")

    for name in ("owner", "migrator", "runtime"):
        assert f"create role orchestrion_{name}" in result.stdout


# --- backup


def test_a_backup_holds_everything(file: Path) -> None:
    succeeds(f"sqlite:///{file}", "migrate")
    copy = file.with_name("copy.db")

    result = succeeds(f"sqlite:///{file}", "backup", str(copy))
    assert (result.stdout, result.stderr) == (f"{copy}\n", "")

    assert succeeds(f"sqlite:///{copy}", "migrate").stderr == "Nothing to do.\n"


def test_a_backup_never_overwrites_a_file(file: Path) -> None:
    succeeds(f"sqlite:///{file}", "migrate")
    precious = file.with_name("precious.txt")
    precious.write_text("mine", encoding="utf-8")

    refused(f"sqlite:///{file}", "backup", str(precious))

    assert precious.read_text(encoding="utf-8") == "mine"


def test_a_backup_of_a_shared_database_is_left_to_its_own_tool() -> None:
    line = refused("postgresql://me:hunter2@db.example/tasks", "backup", "tasks.dump")

    assert "pg_dump --format=custom --file=tasks.dump 'postgresql://me@db.example/tasks'" in line
    assert "hunter2" not in line
