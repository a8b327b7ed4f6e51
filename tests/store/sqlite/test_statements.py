"""Every statement of queries.sql: named once, used, and on the index its comment names."""

import re
from collections.abc import Iterator
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import apsw
import pytest

from orchestrion.core.ids import ulid
from orchestrion.store.named import load_statements
from orchestrion.store.sqlite.database import Place, connect
from tests.factories import ACCOUNT, ACCOUNT_ID, NOW, OTHER_ACCOUNT_ID, an_account
from tests.store.sqlite.crowds import a_database, add_numbers, add_purchases, add_tasks, steps_of

PACKAGE: Final = "orchestrion.store.sqlite"
STATEMENTS: Final = load_statements(PACKAGE)
TEXT: Final = files(PACKAGE).joinpath("queries.sql").read_text("utf-8")
ROWS: Final = 100_000
LEASES: Final = 1_000
LIMIT: Final = 50

_COMMENT = re.compile(r"-- Rides on (?:the )?((?:primary key|unique index) of \w+|\w+)")


def ridden() -> Iterator[tuple[str, str]]:
    """Give each statement that names an index, and the index."""
    for name, body in STATEMENTS.items():
        found = _COMMENT.search(body)
        if found is not None:
            yield name, found.group(1)


RIDDEN: Final = dict(ridden())


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[apsw.Connection]:
    """A file with many tasks in every state, of two types and two accounts."""
    path: Path = tmp_path_factory.mktemp("plans") / "orchestrion.db"
    connection = a_database(path, ACCOUNT, an_account(id=OTHER_ACCOUNT_ID))
    due = f"{NOW - 1_000} + n % 2000"
    mixed = {
        "type": "iif(n % 2, 'report', 'mail')",
        "priority": "n % 101",
        "due_at": due,
        "scheduled_at": due,
    }
    add_tasks(connection, 0, ROWS, **mixed)
    ends = f"{NOW - 100} + n % 200"
    add_tasks(connection, ROWS, LEASES, status="'claimed'", lease_expires_at=ends, **mixed)
    ended = "case n % 3 when 0 then 'completed' when 1 then 'dead_letter' else 'cancelled' end"
    add_tasks(connection, 2 * ROWS, ROWS, status=ended, updated_at=f"{NOW} - n", **mixed)
    add_tasks(connection, 0, ROWS // 10, account_id=f"'{OTHER_ACCOUNT_ID}'", **mixed)
    add_purchases(connection, ROWS // 10)
    add_numbers(connection, ROWS // 10)
    yield connection
    connection.close()
    path.unlink()


def plan(connection: apsw.Connection, name: str) -> list[str]:
    """Read how SQLite carries out a statement."""
    parameters = re.findall(r"[:?](\w+)", STATEMENTS[name])
    bindings: Any = (
        dict.fromkeys(parameters)
        if not parameters or not parameters[0].isdigit()
        else [None] * max(map(int, parameters))
    )
    rows = connection.execute("explain query plan " + STATEMENTS[name], bindings)
    return [detail for _, _, _, detail in rows]


# --- the file of statements


def test_no_name_is_given_twice() -> None:
    names = re.findall(r"^-- name: (\w+)$", TEXT, re.MULTILINE)

    assert sorted(names) == sorted(STATEMENTS)


def test_every_statement_is_used() -> None:
    source = "".join(
        entry.read_text("utf-8") for entry in files(PACKAGE).iterdir() if entry.name.endswith(".py")
    )

    assert [name for name in STATEMENTS if f'"{name}"' not in source] == []


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_statement_is_one_statement_that_the_schema_allows(
    crowded: apsw.Connection, name: str
) -> None:
    assert without_comments(name).find(";") == len(without_comments(name)) - 1
    plan(crowded, name)


def test_every_statement_that_looks_for_rows_names_its_index() -> None:
    whole = {"list_keys", "any_key", "load_request_counts", "count_by_status"}
    looking = {
        name for name, body in STATEMENTS.items() if re.search(r"^\s*where", body, re.MULTILINE)
    }

    assert looking - set(RIDDEN) - whole == set()


# --- the indexes


def without_comments(name: str) -> str:
    return re.sub(r"--[^\n]*", "", STATEMENTS[name]).strip()


@pytest.mark.parametrize("name", [name for name in RIDDEN if "insert" not in STATEMENTS[name]])
def test_a_statement_rides_on_the_index_its_comment_names(
    crowded: apsw.Connection, name: str
) -> None:
    steps = plan(crowded, name)
    searches = [step for step in steps if step.startswith("SEARCH")]
    walks = [step for step in steps if step.startswith("SCAN") and "(subquery" not in step]

    assert walks == []
    assert any(f" {way} (" in f"{searches[0]} (" for way in ways(RIDDEN[name])), steps


def ways(index: str) -> list[str]:
    """Give SQLite's words for an index."""
    kind, _, table = index.partition(" of ")
    match kind:
        case "primary key":
            return [f"INDEX sqlite_autoindex_{table}_1", "PRIMARY KEY"]
        case "unique index":
            return [f"INDEX sqlite_autoindex_{table}_2"]
        case _:
            return [f"INDEX {index}"]


# --- what they cost, in steps of SQLite's machine: by the rows they give, not by those there are

PER_ROW: Final = 110
FIXED: Final = 200
NEWEST: Final = {"account_id": ACCOUNT_ID, "before": "tsk_~", "limit": LIMIT}
ANY: Final = {"status": None, "type": None, "claimed_by": None}
NOBODY_ELSE: Final = {"account_id": ACCOUNT_ID, "now": NOW, "limit": LIMIT}
CHEAP: Final[dict[str, tuple[str, dict[str, object]]]] = {
    "a first page": ("list_page", {**NEWEST, **ANY}),
    "a deep page": ("list_page", {**NEWEST, **ANY, "before": f"tsk_{ROWS // 2:026d}"}),
    "a page of what waits": ("list_page_pending", {**NEWEST, **ANY}),
    "a page of what waits, of a type": ("list_page_pending", {**NEWEST, **ANY, "type": "mail"}),
    "a page of what completed": ("list_page_ended", {**NEWEST, **ANY, "status": "completed"}),
    "a page of what died": ("list_page_ended", {**NEWEST, **ANY, "status": "dead_letter"}),
    "a page of what was withdrawn": ("list_page_ended", {**NEWEST, **ANY, "status": "cancelled"}),
    "a page of a type": ("list_page_by_type", {**NEWEST, **ANY, "type": "mail"}),
    "what is overdue": ("list_overdue", NOBODY_ELSE),
    "who has leases": ("next_overdue_account", {"after": ""}),
    "live leases up to a limit": ("count_live_leases", NOBODY_ELSE),
    "the first lease to end": ("first_lease_end", NOBODY_ELSE),
    "who has ended tasks": ("next_ended_account", {"after": ""}),
    "what ended long ago": (
        "list_ended",
        {
            "account_id": ACCOUNT_ID,
            "status": "completed",
            "before": "tsk_" + ulid(NOW, 0),
            "cutoff": NOW,
            "limit": LIMIT,
        },
    ),
    "the next priority": (
        "next_priority",
        {"account_id": ACCOUNT_ID, "type": "report", "below": 101},
    ),
    "when the next is due": (
        "next_due",
        {"account_id": ACCOUNT_ID, "type": "report", "priority": 100},
    ),
    "which leases end next": (
        "next_lease_ends",
        {"account_id": ACCOUNT_ID, "until": NOW, "limit": LIMIT},
    ),
    "what can be claimed": ("load_claimable", {**NOBODY_ELSE, "type": "report", "priority": 100}),
    "what waits and is due": ("count_due", {**NOBODY_ELSE, "type": "report", "priority": 100}),
    "what waits for later": ("count_scheduled", {**NOBODY_ELSE, "type": "report", "priority": 100}),
    "the first leases to end": ("list_leases", NOBODY_ELSE),
    "whether there is a type": ("any_of_type", {"account_id": ACCOUNT_ID, "type": "report"}),
    "the next type": ("next_type", {"account_id": ACCOUNT_ID, "after": "mail"}),
    "a purchase": ("load_purchase", {"1": ACCOUNT_ID, "2": f"pur_{7:026d}"}),
    "the newest purchase": ("load_newest_purchase", {"1": ACCOUNT_ID}),
    "the purchase of an order": ("load_purchase_of_order", {"1": "order_7"}),
    "what is to be settled": (
        "list_unsettled_purchases",
        {"now": NOW, "settle_at": 100, "id": "", "limit": LIMIT},
    ),
    "the counts of types": ("load_task_counts", NOBODY_ELSE),
    "what happened in a minute": ("load_task_minutes", {"1": ACCOUNT_ID, "2": 7, "3": ""}),
    "since when the oldest waits": ("oldest_pending", NOBODY_ELSE),
    "old minutes": ("list_minutes_before", {"cutoff": NOW, "limit": LIMIT}),
    "types without tasks": ("list_idle_types", NOBODY_ELSE),
    "old idempotency keys": ("list_idempotency_before", {"cutoff": NOW, "limit": LIMIT}),
}


@pytest.mark.parametrize("what", CHEAP)
def test_a_statement_costs_by_the_rows_it_gives(crowded: apsw.Connection, what: str) -> None:
    name, bindings = CHEAP[what]
    found: list[object] = []

    steps = steps_of(crowded, lambda: found.extend(crowded.execute(STATEMENTS[name], bindings)))

    assert steps.taken <= FIXED + PER_ROW * LIMIT
    assert steps.scanned == 0
    assert steps.sorted == 0
    assert found or name == "list_idempotency_before"


def test_what_is_claimed_costs_by_the_leases_there_are(crowded: apsw.Connection) -> None:
    bindings = {**NEWEST, **ANY}
    overdue = {**NOBODY_ELSE, "type": "report"}

    listed = steps_of(
        crowded, lambda: list(crowded.execute(STATEMENTS["list_page_claimed"], bindings))
    )
    loaded = steps_of(crowded, lambda: list(crowded.execute(STATEMENTS["load_overdue"], overdue)))

    assert max(listed.taken, loaded.taken) <= FIXED + PER_ROW * LEASES


def test_a_statement_is_planned_once_whatever_its_limit(tmp_path: Path) -> None:
    """Unless told otherwise, SQLite plans anew for each new value that a plan might rest on."""
    path = tmp_path / "orchestrion.db"
    a_database(path, ACCOUNT).close()
    planned: list[int] = []

    with closing(connect(Place(path=path))) as connection:
        connection.trace_v2(
            apsw.SQLITE_TRACE_PROFILE,
            lambda event: planned.append(event["stmt_status"]["SQLITE_STMTSTATUS_REPREPARE"]),
        )
        for limit in range(1, LIMIT):
            connection.execute(STATEMENTS["load_claim_keys"], (ACCOUNT_ID, "key", limit)).fetchall()

    assert len(planned) == LIMIT - 1
    assert set(planned) == {0}
