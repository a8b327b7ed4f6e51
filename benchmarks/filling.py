"""Makes databases with many tasks in seconds, in the states that make claims hard."""

import time
from contextlib import closing
from pathlib import Path
from typing import Final, Literal

import apsw
import msgspec

from benchmarks.conditions import Conditions
from orchestrion.core.instants import DAY, SECOND
from orchestrion.core.limits import PRIORITY_MAX
from orchestrion.store.named import load_statements
from orchestrion.store.sqlite import operator
from orchestrion.store.sqlite.database import Place, connect

SQL: Final = load_statements("benchmarks", "filling.sql")
CACHE_KIB: Final = 512 * 1024
PAYLOAD: Final = (
    '{"document":"https://example.com/reports/2026/annual.pdf","pages":[1,2,3],"language":"en"}'
)
RESULT: Final = '{"words":4812,"headings":17,"links":23}'

Kind = Literal["pending", "later", "claimed", "finished"]


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Whose tasks they are, and the key that shows it."""

    account_id: str
    key: str


class Tasks(msgspec.Struct, frozen=True, kw_only=True):
    """So many tasks of one kind; their numbers start above `first`."""

    kind: Kind
    count: int
    first: int = 0


def new_account(database: Path) -> Account:
    """Make an account; the database as well where there is none."""
    created = operator.create_key(database, None, None)
    return Account(account_id=created.account_id, key=created.key)


def fill(database: Path, account: Account, *tasks: Tasks) -> None:
    """Add tasks to an account of a database that no server has open."""
    with closing(connect(Place(path=database))) as connection:
        _hurry(connection)
        for some in tasks:
            connection.execute(SQL["insert_many"], _bindings(account, some))
        # Whoever opens it next finds it as a server left it.
        connection.pragma("journal_mode", "wal")


def filled(conditions: Conditions, name: str, *tasks: Tasks) -> tuple[Path, Account]:
    """Give this run's database of a name; the first to ask has it filled."""
    database, note = conditions.folder / f"{name}.db", conditions.folder / f"{name}.json"
    if note.exists():
        return database, msgspec.json.decode(note.read_bytes(), type=Account)
    account = new_account(database)
    fill(database, account, *tasks)
    note.write_bytes(msgspec.json.encode(account))
    return database, account


def many_pending(conditions: Conditions) -> tuple[Path, Account]:
    """Give the database of many pending tasks, which several sections share."""
    return filled(conditions, "many", Tasks(kind="pending", count=conditions.effort.many_tasks))


def _hurry(connection: apsw.Connection) -> None:
    """Give up all safety: a fill that breaks is done again."""
    connection.pragma("journal_mode", "off")
    connection.pragma("synchronous", "off")
    connection.pragma("locking_mode", "exclusive")
    connection.pragma("cache_size", -CACHE_KIB)


def _bindings(account: Account, tasks: Tasks) -> dict[str, str | int | None]:
    now = int(time.time() * SECOND)
    held = tasks.kind in ("claimed", "finished")
    return {
        "account_id": account.account_id,
        "first": tasks.first,
        "count": tasks.count,
        "now": now,
        "payload": PAYLOAD,
        "status": {"later": "pending", "finished": "completed"}.get(tasks.kind, tasks.kind),
        "priority": PRIORITY_MAX if tasks.kind == "later" else 0,
        "scheduled_at": now + DAY if tasks.kind == "later" else None,
        "attempts": int(held),
        "claimed_by": "worker-1" if held else None,
        "claimed_at": now if held else None,
        "lease_expires_at": now + DAY if tasks.kind == "claimed" else None,
        "completed_at": now if tasks.kind == "finished" else None,
        "result": RESULT if tasks.kind == "finished" else None,
    }
