"""What `orchestrion db copy` prints and how it ends."""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from orchestrion.cli import main
from orchestrion.copying.tables import TABLES
from orchestrion.core.instants import SECOND
from orchestrion.store.operator import wall_time
from tests.copying.places import fill, shared
from tests.databases import Databases, SqliteDatabase


class Desktop(msgspec.Struct, frozen=True):
    """Somebody who types commands, beside a file and an empty database."""

    file: SqliteDatabase
    url: str

    def copies(self, *arguments: str) -> Result:
        """Copy the file, as a variable names the database."""
        variables = {"ORCHESTRION_DATABASE": self.url}
        given = arguments or (str(self.file.path),)
        return CliRunner().invoke(main, ["db", "copy", *given], env=variables)


@pytest.fixture
def desktop(databases: Databases) -> Iterator[Desktop]:
    with databases.sqlite() as file:
        fill(file)
        yield Desktop(file, databases.postgres.bare())


def test_every_table_is_printed_with_rows_and_checksum(desktop: Desktop) -> None:
    result = desktop.copies()

    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["table"] for line in lines] == [
        *("accounts", "api_keys", "tasks", "idempotency_keys", "request_counts", "worker_asks"),
        *("purchases", "task_counts", "task_minutes"),
    ]
    assert all(line["rows"] > 0 and len(line["sha256"]) == 64 for line in lines)
    assert {line["result"] for line in lines} == {"same"}
    assert result.stderr.startswith("Copied and verified")


def test_a_second_time_says_that_it_was_done_before(desktop: Desktop) -> None:
    first = desktop.copies()

    second = desktop.copies()

    assert second.exit_code == 0
    assert second.stdout == first.stdout.replace('"same"', '"copied before"')
    assert "copied and verified before" in second.stderr


def test_a_table_that_differs_is_named_and_ends_with_a_failure(
    desktop: Desktop, databases: Databases
) -> None:
    desktop.copies()
    with shared(databases, desktop.url) as database:
        database.execute("update copies set verified_at = null")
        database.execute("update tasks set payload = '[]' where id = (select max(id) from tasks)")

    result = desktop.copies()

    assert result.exit_code == 1
    results = {
        line["table"]: line["result"] for line in map(json.loads, result.stdout.splitlines())
    }
    assert list(results.values()).count("same") == len(TABLES) - 1
    assert results["tasks"].startswith("differs: 120 rows")
    assert "orchestrion: not equal: tasks" in result.stderr


def test_a_file_whose_time_is_ahead_is_told_of(desktop: Desktop) -> None:
    desktop.file.execute("insert into marks values ('time', $1)", wall_time() + 600 * SECOND)

    result = desktop.copies()

    assert result.exit_code == 0
    assert "s ahead of the database's" in result.stderr


def test_a_copy_into_a_file_is_refused(desktop: Desktop) -> None:
    result = desktop.copies(str(desktop.file.path), "--database", "sqlite:///other.db")

    assert result.exit_code == 1
    assert result.stderr == (
        "orchestrion: a copy goes into PostgreSQL: name it, --database postgresql://…\n"
        "next: orchestrion db copy --help\n"
    )


def test_a_file_of_another_kind_is_refused_and_left_alone(desktop: Desktop, tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.write_text("# Not a database, and longer than the start of one\n", "utf-8")

    result = desktop.copies(str(file))

    assert result.exit_code == 1
    assert result.stderr == (
        f"orchestrion: cannot read the database {file}: it is no SQLite file\n"
        "next: orchestrion doctor\n"
    )
    assert list(tmp_path.iterdir()) == [file]


def test_a_server_does_not_start_on_an_unfinished_copy(
    desktop: Desktop, databases: Databases
) -> None:
    desktop.copies()
    with shared(databases, desktop.url) as database:
        database.execute("update copies set verified_at = null")

    result = CliRunner().invoke(main, ["serve", "--port", "0", "--database", desktop.url])

    assert result.exit_code == 1
    assert "orchestrion: the database holds an unfinished copy" in result.stderr
    assert result.stderr.count("\n") == 2
