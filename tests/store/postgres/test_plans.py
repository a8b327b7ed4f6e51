"""Plans at a hundred thousand rows, whenever they were made: on the index that the comment names.

A server keeps a statement's plan, and makes it from what PostgreSQL then knows of the tables. That
may be nothing, or what held while there was one row; the plan must be good when the tables grow.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
import pytest

from orchestrion.core.ids import ulid
from orchestrion.store.named import load_statements
from orchestrion.store.postgres.place import WRITER, Place
from orchestrion.store.postgres.session import Session, open_session
from tests.databases import Databases, PostgresDatabase
from tests.factories import NOW

STATEMENTS: Final = load_statements("orchestrion.store.postgres")
MANY: Final = 100_000
FEW: Final = 1_000
LEASES: Final = 10_000
BATCH: Final = 64
PAGE: Final = 50
# Buffers a statement may touch, at most, and for each row it reads or writes.
FIXED: Final = 40
PER_ROW: Final = 25
# These sort what they were given, or what has a lease or is overdue; no index has their order.
SORTING: Final = re.compile(
    r"find_claim_keys(_of_many)?|"
    r"lock_\w+s(_of_many)?|lock_idempotency(_of_many)?|load_claimable(_of_many)?|list_page_claimed"
)


# --- what there is


def series(table: str, count: int, row: str) -> str:
    """Give the statement that adds rows; n is a row's number in an expression."""
    return f"insert into {table} select {row} from generate_series(0, {count - 1}) as n"


def tasks(account: str, first: int, count: int, **columns: str) -> str:
    """Give the statement that adds tasks; n is a task's number in an expression."""
    expressions = {
        "account_id": f"'{account}'",
        "id": "'tsk_' || lpad(n::text, 26, '0')",
        "type": "'report'",
        "payload": "'{}'",
        "status": "'pending'",
        "priority": "0",
        "attempt_count": "0",
        "max_attempts": "3",
        "lease_seconds": "300",
        "created_at": f"{NOW - 3_600_000}",
        "updated_at": f"{NOW - 3_600_000}",
        "due_at": f"{NOW - 3_600_000}",
        **columns,
    }
    return (
        f"insert into tasks ({', '.join(expressions)}) select {', '.join(expressions.values())} "
        f"from generate_series({first}, {first + count - 1}) as n"
    )


SOON: Final = f"{NOW + 60_000}"
ENDED: Final = "(array['completed', 'dead_letter', 'cancelled'])[1 + n % 3]"
# One account has a mixture, one much that is due later, one much that has ended, one many leases.
MIXED, LATER, OVER, LEASED = ACCOUNTS = ("acct_0", "acct_1", "acct_2", "acct_3")


# Many of one account, and few of them unsettled.
PURCHASE: Final = (
    "case when n % 2 = 0 then 'acct_0' else 'acct_' || n % 1000 end, "
    "'pur_' || lpad(n::text, 26, '0'), 'pro', '24.99', 'open', 'order_' || n, 'https://pay', "
    "n, n, 1, null, 'capture_' || n, null, n, case when n % 50 = 0 then n end"
)


def filling(many: int) -> list[str]:
    """Give the statements that fill every table."""
    return [
        series("accounts", FEW, "'acct_' || n, null, 'free', null, 0, 0, 0, 0, 0, 0, 0, 0"),
        series("api_keys", FEW, "convert_to('hash_' || n, 'utf8'), 'key_' || n, 'acct_' || n, 0"),
        series("idempotency_keys", many, "'acct_' || n % 4, 'key_' || n, 'x', n, ''"),
        series("request_counts", FEW, "'acct_' || n, 'key_' || n, 'reads', n, n"),
        series("worker_asks", FEW, "'acct_' || n, '{}'"),
        series("purchases", many // 10, PURCHASE),
        # One account has many types, and another nothing that happened long ago.
        series("task_counts", many // 5, "'acct_' || n % 4, 'type_' || n, n % 3, 0, 0, 0, 0"),
        series("task_minutes", many // 5, "'acct_' || n % 3, n, 'type_' || n, 1, 1, 1, 0, 0, 0"),
        tasks(MIXED, 0, many // 5, type="(array['report', 'mail'])[1 + n % 2]", priority="n % 101"),
        tasks(LATER, 0, FEW),
        tasks(LATER, FEW, many, priority="100", scheduled_at=SOON, due_at=SOON),
        tasks(OVER, 0, FEW),
        tasks(OVER, FEW, many, status=ENDED, updated_at=f"{NOW} - n"),
        tasks(LEASED, 0, FEW),
        tasks(
            LEASED,
            FEW,
            many // 10,
            status="'claimed'",
            lease_expires_at=f"{NOW} + n - {2 * FEW}",
            claim_key="case n % 2 when 0 then 'claim_' || n end",
        ),
    ]


ONE_PURCHASE: Final = (
    "insert into purchases (account_id, id, plan_id, price_usd, stage, created_at, expires_at, "
    "captures, updated_at) values ('acct_x', 'pur_x', 'pro', '1', 'open', 0, 0, 1, 0)"
)
ONE_OF_EACH: Final = (
    "insert into accounts values ('acct_x', null, 'free', null, 0, 0, 0, 0, 0, 0, 0, 0)",
    "insert into api_keys values ('x', 'key_x', 'acct_x', 0)",
    "insert into idempotency_keys values ('acct_x', 'key_x', 'x', 0, '')",
    "insert into request_counts values ('acct_x', 'key_x', 'reads', 0, 0)",
    "insert into worker_asks values ('acct_x', '{}')",
    ONE_PURCHASE,
    "insert into task_counts values ('acct_x', '', 1, 0, 0, 0, 0)",
    "insert into task_minutes values ('acct_x', 0, '', 1, 0, 0, 0, 0, 0)",
    tasks("acct_x", 0, 1),
    "vacuum analyze",
)


# --- what is asked


class Ask(msgspec.Struct, frozen=True):
    """A statement with its values, and how many rows it reads or writes."""

    statement: str
    values: Sequence[object]
    rows: int = 1


IDS: Final = [f"tsk_{number:026d}" for number in range(FEW // 2, FEW // 2 + BATCH)]
KEYS: Final = [f"key_{4 * number}" for number in range(BATCH)]
CLAIMS: Final = [f"claim_{FEW + 2 * number}" for number in range(BATCH)]
PAIRS: Final = ([LATER, OVER] * (BATCH // 2), IDS)
LAST: Final = "tsk_~"
PURCHASES: Final = [f"pur_{number:026d}" for number in (100, 102)]
EVER: Final = (None, "tsk_" + ulid(NOW, 0), PAGE)
NONE: Final = [None] * BATCH
ONES: Final = [1] * BATCH
TYPES: Final = [f"type_{number}" for number in range(4)]
TYPES_OF_MIXED: Final = ["type_0", "type_12", "type_24"]
NUMBERS: Final = (list(ACCOUNTS), TYPES, *[[1] * len(ACCOUNTS)] * 11, 0)
# No priority is known, and no lease that ended.
HEAD: Final[tuple[list[int], list[int], int]] = ([], [], 0)

ASKS: Final = {
    "lock_account": Ask("lock_account", (MIXED,)),
    "lock_accounts": Ask("lock_accounts", (list(ACCOUNTS),), 4),
    "load_account": Ask("load_account", (MIXED,)),
    "lock_idempotency": Ask("lock_idempotency", (MIXED, KEYS), BATCH),
    "lock_idempotency_of_many": Ask("lock_idempotency_of_many", ([MIXED] * BATCH, KEYS), BATCH),
    "lock_request_counts": Ask("lock_request_counts", (list(ACCOUNTS), KEYS[:4], ["reads"] * 4), 4),
    "lock_tasks": Ask("lock_tasks", (None, LATER, IDS), BATCH),
    "lock_tasks_of_many": Ask("lock_tasks_of_many", (None, *PAIRS), BATCH),
    "load_claimable": Ask("load_claimable", (MIXED, "report", NOW, 1, 33, *HEAD)),
    "load_claimable, much for later": Ask("load_claimable", (LATER, "report", NOW, 1, 33, *HEAD)),
    "load_claimable, much has ended": Ask("load_claimable", (OVER, "report", NOW, 1, 33, *HEAD)),
    "load_claimable, many leases": Ask(
        "load_claimable", (LEASED, "report", NOW - FEW, 1, 33, *HEAD)
    ),
    "load_claimable_of_many": Ask(
        "load_claimable_of_many",
        ([MIXED, LATER, OVER], ["report"] * 3, NOW, [16] * 3, [48] * 3, [0] * 3, [], [], []),
        3 * 16,
    ),
    "count_live_leases": Ask("count_live_leases", (LEASED, NOW, FEW, 120_000), FEW),
    "find_claim_keys": Ask("find_claim_keys", (PAGE, LEASED, CLAIMS), BATCH),
    "find_claim_keys, none": Ask("find_claim_keys", (PAGE, LEASED, KEYS), BATCH),
    "find_claim_keys, no leases": Ask("find_claim_keys", (PAGE, OVER, CLAIMS), BATCH),
    "find_claim_keys_of_many": Ask(
        "find_claim_keys_of_many", (PAGE, [LEASED] * BATCH, CLAIMS), BATCH
    ),
    "save_accounts": Ask(
        "save_accounts", (list(ACCOUNTS), ["free"] * 4, NONE[:4], *[ONES[:4]] * 7), 4
    ),
    "save_tasks": Ask(
        "save_tasks",
        (
            *(*PAIRS, ["cancelled"] * BATCH, NONE, ONES, ONES, *[NONE] * 4, ONES, *[NONE] * 6),
            *(NONE, NONE, NONE, ONES, NONE, *NUMBERS),
        ),
        BATCH + len(ACCOUNTS),
    ),
    "insert_tasks": Ask(
        "insert_tasks",
        (
            *([MIXED], ["tsk_new"], ["report"], ["{}"], ["pending"], [0], [None], [0], [1], [30]),
            *(*[[None]] * 4, [NOW], [NOW], *[[None]] * 10, [0], [None], [NOW], *NUMBERS),
        ),
        1 + len(ACCOUNTS),
    ),
    "delete_tasks": Ask("delete_tasks", (*PAIRS, *NUMBERS), BATCH + len(ACCOUNTS)),
    "save_idempotency": Ask(
        "save_idempotency", ([MIXED] * BATCH, KEYS, [b"x"] * BATCH, ONES, [""] * BATCH), BATCH
    ),
    "delete_idempotency": Ask("delete_idempotency", ([MIXED] * BATCH, KEYS), BATCH),
    "save_request_counts": Ask(
        "save_request_counts", (list(ACCOUNTS), KEYS[:4], ["reads"] * 4, ONES[:4], ONES[:4]), 4
    ),
    "next_due": Ask("next_due", (MIXED, ["report", "mail", "fax"], NOW, PAGE), 3 * 101),
    "next_due, much for later": Ask("next_due", (LATER, ["report"], NOW, PAGE)),
    "next_due, many leases": Ask("next_due", (LEASED, ["report"], NOW, PAGE), PAGE),
    "next_due_of_many": Ask(
        "next_due_of_many",
        ([MIXED, LATER, OVER, LEASED], ["report"] * 4, NOW, PAGE),
        101 + PAGE,
    ),
    "load_type_state": Ask("load_type_state", (None, MIXED, "report", FEW), 3 * FEW),
    "load_type_state, much for later": Ask("load_type_state", (None, LATER, "report", PAGE), PAGE),
    "load_type_state, much has ended": Ask("load_type_state", (None, OVER, "report", PAGE), PAGE),
    "list_leases": Ask("list_leases", (LEASED, ["report"], PAGE), PAGE),
    "list_types": Ask("list_types", (MIXED, PAGE), 3),
    "count_ahead": Ask("count_ahead", (None, MIXED, "report", 50, NOW, LAST, FEW), FEW),
    "count_ahead, much for later": Ask(
        "count_ahead", (None, LATER, "report", 0, NOW, LAST, PAGE), PAGE
    ),
    "lock_asks": Ask("lock_asks", (list(ACCOUNTS),), 4),
    "save_asks": Ask("save_asks", (list(ACCOUNTS), ["{}"] * 4), 4),
    "load_asks": Ask("load_asks", (MIXED,)),
    "load_purchases": Ask("load_purchases", ([MIXED, MIXED], PURCHASES), 2),
    "load_newest_purchases": Ask("load_newest_purchases", (list(ACCOUNTS),), 4),
    "load_purchase_of_order": Ask("load_purchase_of_order", ("order_7",)),
    "save_purchases": Ask(
        "save_purchases",
        (
            [MIXED, MIXED],
            PURCHASES,
            ["open", "open"],
            *([None, None],) * 2,
            [1, 1],
            *([None, None],) * 3,
            [NOW, NOW],
            [None, None],
        ),
        2,
    ),
    "list_unsettled_purchases": Ask("list_unsettled_purchases", (NOW, 1_000, "", 8), 8),
    "delete_minutes": Ask("delete_minutes", ([MIXED] * 3, TYPES_OF_MIXED, [0, 12, 24]), 3),
    "delete_idle_types": Ask("delete_idle_types", (MIXED, TYPES_OF_MIXED), 3),
    "load_task_counts": Ask("load_task_counts", (MIXED, PAGE), PAGE),
    "oldest_pending": Ask("oldest_pending", (None, MIXED)),
    "oldest_pending, much has ended": Ask("oldest_pending", (None, OVER)),
    "load_task_minutes": Ask("load_task_minutes", (MIXED, TYPES_OF_MIXED, [0, 12]), 2),
    "list_minutes_before": Ask("list_minutes_before", (MANY, PAGE), PAGE),
    "list_idle_types": Ask("list_idle_types", (MIXED, PAGE), 3 * PAGE),
    "load_tasks": Ask("load_tasks", (None, LATER, IDS), BATCH),
    "load_marks": Ask("load_marks", (LATER, IDS), BATCH),
    "load_principal": Ask("load_principal", (b"hash_7",)),
    "set_account": Ask("set_account", ("acct_7", 1)),
    "revoke_key": Ask("revoke_key", ("key_7", NOW)),
    "load_task": Ask("load_task", (None, MIXED, IDS[0])),
    "list_page": Ask("list_page", (None, OVER, LAST, PAGE, None), PAGE),
    "list_page, deep": Ask("list_page", (None, OVER, IDS[0], PAGE, None), PAGE),
    "list_page_by_type": Ask("list_page_by_type", (None, MIXED, LAST, PAGE, None, "mail"), PAGE),
    "list_page_pending": Ask("list_page_pending", (None, OVER, LAST, PAGE, None, None), PAGE),
    "list_page_claimed": Ask("list_page_claimed", (None, LEASED, LAST, PAGE, None, None), LEASES),
    "list_page_claimed, none": Ask("list_page_claimed", (None, OVER, LAST, PAGE, None, None), 0),
    "list_page_ended": Ask(
        "list_page_ended", (None, OVER, LAST, PAGE, None, None, "dead_letter"), PAGE
    ),
    "list_overdue": Ask("list_overdue", (NOW, PAGE), PAGE),
    "next_ended_account": Ask("next_ended_account", ("",)),
    "list_ended": Ask("list_ended", (OVER, "completed", LAST, NOW, PAGE), PAGE),
    "list_idempotency_before": Ask("list_idempotency_before", (MANY, PAGE), PAGE),
    "count_by_status": Ask("count_by_status", (), 3 * MANY),
}


# --- what PostgreSQL does


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a statement read, and how."""

    indexes: frozenset[str]
    nodes: Sequence[str]
    buffers: int


class Planner:
    """A server's session, with every statement prepared and planned."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def prepare(self) -> None:
        """Make every plan now."""
        for ask in {ask.statement: ask for ask in ASKS.values()}.values():
            await self._session.execute(f"prepare {ask.statement} as {STATEMENTS[ask.statement]}")
            await self._explain(ask, "format json")

    async def plans(self) -> dict[str, Plan]:
        """Run everything that is asked by the plans made before, and change nothing."""
        found = {}
        for what, ask in ASKS.items():
            await self._session.execute("begin")
            top = await self._explain(ask, "analyze, buffers, format json")
            await self._session.execute("rollback")
            nodes = list(walk(top))
            found[what] = Plan(
                indexes=frozenset(index for node in nodes for index in indexes(node)),
                nodes=[node["Node Type"] for node in nodes],
                buffers=top["Shared Hit Blocks"] + top["Shared Read Blocks"],
            )
        return found

    async def _explain(self, ask: Ask, options: str) -> dict[str, Any]:
        types = await self._session.fetchval(
            "select parameter_types::text[] from pg_prepared_statements where name = $1",
            ask.statement,
        )
        values = [f"{literal(one)}::{kind}" for one, kind in zip(ask.values, types, strict=True)]
        given = f"({', '.join(values)})" if values else ""
        text = await self._session.fetchval(f"explain ({options}) execute {ask.statement} {given}")
        plan: dict[str, Any] = json.loads(text)[0]["Plan"]
        return plan


def literal(value: object) -> str:
    match value:
        case None:
            return "null"
        case int():
            return str(value)
        case bytes():
            return f"'\\x{value.hex()}'"
        case list():
            return f"array[{', '.join(map(literal, value))}]"
        case _:
            return f"'{value}'"


def walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from walk(below)


def indexes(node: dict[str, Any]) -> list[str]:
    return [*node.get("Conflict Arbiter Indexes", ()), *filter(None, [node.get("Index Name")])]


EMPTY: Final = "planned when empty"
NEVER: Final = "planned when filled, never analyzed"
ANALYZED: Final = "planned when filled and analyzed"
SMALL: Final = "planned when there was one row"
STALE: Final = "planned when filled, analyzed when there was one row"
WHEN: Final = (EMPTY, NEVER, ANALYZED, SMALL, STALE)

Known = Mapping[str, Mapping[str, Plan]]


@pytest.fixture(scope="module")
def plans(databases: Databases) -> Known:
    """Make plans at different times, and carry all of them out when the tables are full."""
    return asyncio.run(carried_out(databases))


async def carried_out(databases: Databases) -> Known:
    found: dict[str, Mapping[str, Plan]] = {}
    with databases.postgres.made() as database:
        alone(database)
        async with planner(database) as early:
            fill(database, MANY)
            found[EMPTY] = await early.plans()
        async with planner(database) as late:
            found[NEVER] = await late.plans()
        database.execute("analyze")
        async with planner(database) as late:
            found[ANALYZED] = await late.plans()
    with databases.postgres.made() as database:
        alone(database)
        for statement in ONE_OF_EACH:
            database.execute(statement)
        async with planner(database) as early:
            fill(database, MANY // 2)
            found[SMALL] = await early.plans()
        async with planner(database) as late:
            found[STALE] = await late.plans()
    return found


@asynccontextmanager
async def planner(database: PostgresDatabase) -> AsyncIterator[Planner]:
    """Plan everything, as a server that comes now does."""
    session = await open_session(Place(url=database.url), WRITER)
    planner = Planner(session)
    await planner.prepare()
    yield planner
    await session.close()


def alone(database: PostgresDatabase) -> None:
    """Keep PostgreSQL from analyzing tables on its own."""
    for table in database.tables:
        database.execute(f"alter table {table} set (autovacuum_enabled = off)")


def fill(database: PostgresDatabase, many: int) -> None:
    for statement in filling(many):
        database.execute(statement)


# --- what must hold


def ridden(name: str) -> frozenset[str]:
    """Give the indexes that the comment names."""
    comment = " ".join(line[3:] for line in STATEMENTS[name].splitlines() if line.startswith("--"))
    found = set(re.findall(r"\b(?:tasks|idempotency_keys|purchases)_[a-z_]+\b", comment))
    for key in re.findall(r"primary keys? of (\w+(?: and \w+)?)", comment):
        found |= {f"{table}_pkey" for table in key.split(" and ")}
    return frozenset(found | set(map(_unique, re.findall(r"unique index of (\S+)\.", comment))))


def _unique(column: str) -> str:
    return f"{column.replace('.', '_')}_key"


def test_every_statement_that_names_its_index_is_asked() -> None:
    asked = {ask.statement for ask in ASKS.values()}

    assert {name for name in STATEMENTS if ridden(name)} == asked - {"count_by_status"}


def test_every_statement_that_looks_for_rows_names_its_index() -> None:
    looking = {
        name
        for name, body in STATEMENTS.items()
        if re.search(r"^\s*(where|on conflict)\b", body, re.MULTILINE)
    }

    assert {name for name in looking if not ridden(name)} == {"load_state", "count_by_status"}


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("what", ASKS)
def test_a_statement_rides_on_the_indexes_its_comment_names(
    plans: Known, what: str, when: str
) -> None:
    plan = plans[when][what]

    assert plan.indexes == ridden(ASKS[what].statement) or what == "count_by_status", plan.nodes
    assert not {"Seq Scan", "Hash Join", "Merge Join"} & set(plan.nodes)


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize(
    "what", [what for what in ASKS if not SORTING.fullmatch(ASKS[what].statement)]
)
def test_an_index_gives_the_order(plans: Known, what: str, when: str) -> None:
    assert not {"Sort", "Incremental Sort"} & set(plans[when][what].nodes)


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("what", ASKS)
def test_a_statement_costs_by_the_rows_it_names_or_gives(
    plans: Known, what: str, when: str
) -> None:
    assert plans[when][what].buffers <= FIXED + PER_ROW * ASKS[what].rows


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("crowd", ["much for later", "much has ended", "many leases"])
def test_a_claim_costs_the_same_whatever_else_there_is(plans: Known, crowd: str, when: str) -> None:
    few, many = plans[when]["load_claimable"], plans[when][f"load_claimable, {crowd}"]

    assert many.buffers <= few.buffers + FIXED
