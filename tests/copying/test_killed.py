"""kill -9 in the middle of a copy, wherever it stands: run again, it goes on and ends the same."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from orchestrion.copying.tables import PAGE_ROWS, TABLES
from orchestrion.core.faults import StoreRefused
from orchestrion.store.postgres import migrating
from orchestrion.store.postgres.place import Place
from tests.copying.places import fill, shared
from tests.databases import Databases, PostgresDatabase, count
from tests.desk import Desk
from tests.e2e.serving import PATIENCE_SECONDS, PROGRAM, clean_variables

TASKS_EACH: Final = PAGE_ROWS
# Each lets a copy come so far and no further.
OBSTACLES: Final = (
    "lock table api_keys in exclusive mode",
    # Whoever inserts the same key waits to hear whether this row will be there.
    (
        "insert into tasks (account_id, id, type, payload, status, priority, attempt_count, "
        "max_attempts, lease_seconds, created_at, updated_at, due_at) "
        "select $1, $2, '', '', '', 0, 0, 0, 0, 0, 0, 0"
    ),
    "lock table copies in exclusive mode",
    "lock table request_counts in exclusive mode",
    "select from accounts for update",
)


class Command:
    """`orchestrion db copy` in a process of its own."""

    def __init__(self, file: Path, url: str) -> None:
        self._process = subprocess.Popen(
            [*PROGRAM, "db", "copy", str(file), "--database", url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=clean_variables(),
            text=True,
        )

    def kill(self) -> None:
        """End it at once; it must not have ended by itself."""
        assert self._process.poll() is None, self._process.communicate()
        self._process.kill()
        assert self._process.communicate()[0] == ""

    def ended(self) -> tuple[int, str, str]:
        """Wait until it ends; gives exit code, output and errors."""
        stdout, stderr = self._process.communicate(timeout=PATIENCE_SECONDS)
        return self._process.returncode, stdout, stderr


@contextmanager
def held(desk: Desk, url: str, statement: str, *values: str) -> Iterator[None]:
    """Keep a transaction open that stands in the way."""
    connection = desk.do(asyncpg.connect(url))
    try:
        desk.do(connection.execute("begin"))
        desk.do(connection.execute(statement, *values))
        yield
        desk.do(connection.execute("rollback"))
    finally:
        desk.do(connection.close())


def until_stuck(database: PostgresDatabase) -> None:
    """Wait until somebody waits for a lock."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not count(database, "select count(*) from pg_locks where not granted"):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.slow
async def test_a_copy_killed_at_any_moment_goes_on(databases: Databases, url: str) -> None:
    await migrating.prepare(Place(url=url))
    desk = databases.postgres.desk
    with databases.sqlite() as file, shared(databases, url) as database:
        fill(file, TASKS_EACH)
        # In the middle of the second page.
        ((account_id, task_id),) = file.fetch(
            "select account_id, id from tasks order by account_id, id limit 1 offset $1",
            PAGE_ROWS + 100,
        )
        reached = []
        for obstacle in OBSTACLES:
            values = (account_id, task_id) if "$1" in obstacle else ()
            with held(desk, url, obstacle, *values):
                command = Command(file.path, url)
                until_stuck(database)
                command.kill()
                reached.append(count(database, "select count(*) from tasks"))
            with pytest.raises(StoreRefused, match="unfinished copy"):
                await migrating.prepare(Place(url=url))

        code, printed, said = Command(file.path, url).ended()
        again = Command(file.path, url).ended()

        assert reached == [0, PAGE_ROWS, PAGE_ROWS, 3 * TASKS_EACH, 3 * TASKS_EACH]
        assert (code, printed.count('"same"')) == (0, len(TABLES)), said
        assert count(database, "select count(*) from tasks") == 3 * TASKS_EACH
        assert "Copied and verified" in said
        assert again[:2] == (0, printed.replace('"same"', '"copied before"'))
        await migrating.prepare(Place(url=url))
