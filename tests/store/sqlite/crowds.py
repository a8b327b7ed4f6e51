"""Many rows at once: one `insert … select` makes a million tasks in seconds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import apsw

from orchestrion.core.account import Account
from orchestrion.store import rows
from orchestrion.store.named import load_statements
from orchestrion.store.sqlite.database import Place, open_writer
from tests.factories import ACCOUNT, ACCOUNT_ID, NOW

SQL: Final = load_statements("orchestrion.store.sqlite")

# In an expression, n is the row's number.
_COLUMNS: Final = {
    "account_id": f"'{ACCOUNT_ID}'",
    "id": "'tsk_' || printf('%026d', n)",
    "type": "'report'",
    "payload": "'{\"page\":1}'",
    "status": "'pending'",
    "priority": "0",
    "attempt_count": "0",
    "max_attempts": "3",
    "lease_seconds": "300",
    "created_at": f"{NOW - 3_600_000}",
    "updated_at": f"{NOW - 3_600_000}",
    "due_at": f"{NOW - 3_600_000}",
}


def a_database(path: Path, *accounts: Account) -> apsw.Connection:
    """Make a file with accounts, open for fast and careless writing."""
    connection = open_writer(Place(path=path))
    connection.pragma("synchronous", "off")
    with connection:
        for account in accounts or (ACCOUNT,):
            connection.execute(SQL["insert_account"], rows.account_insert_row(account))
    return connection


def add_tasks(connection: apsw.Connection, first: int, count: int, **columns: str) -> None:
    """Insert tasks numbered from `first`; `columns` are SQL expressions over the number `n`."""
    expressions = {**_COLUMNS, **columns}
    # Without a journal: a million rows need not be written twice.
    connection.pragma("journal_mode", "off")
    connection.execute(
        f"with recursive numbers (n) as (values ({first}) union all "
        f"select n + 1 from numbers where n < {first + count - 1}) "
        f"insert into tasks ({', '.join(expressions)}) "
        f"select {', '.join(expressions.values())} from numbers"
    )
    connection.pragma("journal_mode", "wal")


def add_purchases(connection: apsw.Connection, count: int) -> None:
    """Insert purchases of one account, of which few are unsettled."""
    connection.execute(
        f"with recursive numbers (n) as (values (0) union all "
        f"select n + 1 from numbers where n < {count - 1}) "
        "insert into purchases "
        f"select '{ACCOUNT.id}', 'pur_' || printf('%026d', n), 'pro', '24.99', 'open', "
        "'order_' || n, 'https://pay', n, n, 1, null, 'capture_' || n, null, n, "
        "iif(n % 50, null, n) from numbers"
    )


def add_numbers(connection: apsw.Connection, count: int) -> None:
    """Insert numbers of many types of one account, of which a few have tasks, and old minutes."""
    numbers = (
        f"with recursive numbers (n) as (values (0) union all "
        f"select n + 1 from numbers where n < {count - 1}) "
    )
    connection.execute(
        numbers + f"insert into task_counts select '{ACCOUNT.id}', iif(n, 'type_' || n, ''), "
        "iif(n % 50, 0, 1), 0, 0, 0, 0 from numbers"
    )
    connection.execute(
        numbers + f"insert into task_minutes select '{ACCOUNT.id}', n, '', 1, 1, 1, 0, 0, 0 "
        "from numbers"
    )


class Steps:
    """Counts the steps of SQLite's virtual machine, which no other load on the machine changes."""

    def __init__(self, connection: apsw.Connection) -> None:
        self.taken = 0
        self.scanned = 0
        self.sorted = 0
        connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, self._add)

    def _add(self, event: dict[str, Any]) -> None:
        status = event["stmt_status"]
        self.taken += status["SQLITE_STMTSTATUS_VM_STEP"]
        self.scanned += status["SQLITE_STMTSTATUS_FULLSCAN_STEP"]
        self.sorted += status["SQLITE_STMTSTATUS_SORT"]


def steps_of(connection: apsw.Connection, work: Callable[[], object]) -> Steps:
    """Count what some work on a connection takes."""
    steps = Steps(connection)
    work()
    connection.trace_v2(0, None)
    return steps
