"""A database that a former version made, with rows in it, is served on."""

import contextlib
import hashlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import apsw
import pytest
from msgspec.structs import replace

from orchestrion.core.account import Account
from orchestrion.core.lease import Completion
from orchestrion.core.outcomes import Changed, Held, PurchaseOutcome
from orchestrion.core.stats import Counts
from orchestrion.core.task import Status, Task
from orchestrion.core.view import IdempotencyRow
from orchestrion.store import rows
from orchestrion.store.postgres import migrating as postgres
from orchestrion.store.postgres.place import Place as PostgresPlace
from orchestrion.store.sqlite import migrating as sqlite
from tests.databases import (
    POSTGRES,
    SQLITE,
    Database,
    Databases,
    PostgresDatabase,
    SqliteDatabase,
    add_key,
)
from tests.engine.engines import Engine, EngineOptions, running_engine
from tests.factories import (
    ACCOUNT,
    ACCOUNT_ID,
    SMALL,
    TOKEN,
    a_task,
    a_task_id,
    expect,
)
from tests.unit import asks
from tests.unit.buying import confirms, opens, records

FIRST_FIELDS = Task.__struct_fields__[: Task.__struct_fields__.index("traceparent") + 1]
NOT_YET = "given_back_by"


@pytest.fixture(params=[SQLITE, POSTGRES])
def kind(request: pytest.FixtureRequest) -> str:
    """Name each kind of database in turn."""
    return str(request.param)


# The first schema, and the one before today's.
@pytest.fixture(params=[1, len(sqlite.KNOWN) - 1])
def schema(request: pytest.FixtureRequest) -> int:
    """Say how many migrations a former version knew."""
    return int(request.param)


@pytest.fixture
def old(databases: Databases, tmp_path: Path, kind: str, schema: int) -> Iterator[Database]:
    """Give a database of a former schema."""
    with contextlib.ExitStack() as closing:
        if kind == SQLITE:
            file = an_old_file(tmp_path / "old.db", schema)
            yield closing.enter_context(contextlib.closing(file))
        else:
            url = databases.postgres.bare()
            desk = databases.postgres.desk
            desk.do(postgres.prepare(PostgresPlace(url=url), postgres.KNOWN[:schema]))
            yield closing.enter_context(contextlib.closing(PostgresDatabase(desk, url)))


def an_old_file(path: Path, schema: int) -> SqliteDatabase:
    with contextlib.closing(apsw.Connection(str(path))) as connection:
        sqlite.migrate(connection, sqlite.KNOWN[:schema])
    return SqliteDatabase(path)


def a_first_row(task: Task) -> tuple[object, ...]:
    """Give what the first schema had of a task."""
    values = dict(zip(Task.__struct_fields__, rows.insert_row(task)[:-1], strict=True))
    return (*(values[name] for name in FIRST_FIELDS), task.due_at)


def fill(database: Database, *tasks: Task) -> None:
    """Write what a server of the first schema would have."""
    database.insert("accounts", Account.__struct_fields__, [rows.account_insert_row(ACCOUNT)])
    database.insert("tasks", (*FIRST_FIELDS, "due_at"), map(a_first_row, tasks))
    remembered = IdempotencyRow(
        account_id=ACCOUNT_ID,
        key="k",
        request_digest=b"d",
        created_at=database.clock.now(),
        first=tasks[0],
    )
    # Without the fields that came later, as an older server writes it.
    *head, first = rows.idempotency_row(remembered)
    text = str(first)
    older = text[: text.index(f',"{NOT_YET}"')] + "}" if NOT_YET in text else text
    database.insert(
        "idempotency_keys",
        ("account_id", "key", "request_digest", "created_at", "first"),
        [(*head, older)],
    )


@pytest.fixture
def tasks(old: Database) -> dict[Status, Task]:
    """Tasks in every state, as of the database's time."""
    now = old.clock.now()
    found = {
        status: a_task(status, id=a_task_id(number), created_at=now - 1, updated_at=now - 1)
        for number, status in enumerate(Status)
    }
    found[Status.CLAIMED] = a_task(
        Status.CLAIMED,
        id=found[Status.CLAIMED].id,
        created_at=now - 1,
        lease_expires_at=now + 60_000,
    )
    fill(old, *found.values())
    return found


@pytest.fixture
async def engine(old: Database, tasks: dict[Status, Task]) -> AsyncIterator[Engine]:
    """Run the program of today on it."""
    assert tasks
    if isinstance(old, PostgresDatabase):
        # As a start does; a file is brought up to date as it is opened.
        await postgres.prepare(PostgresPlace(url=old.url))
    async with running_engine(old, EngineOptions(catalogue=SMALL)) as engine:
        yield engine


async def test_what_was_kept_reads_as_it_did(engine: Engine, tasks: dict[Status, Task]) -> None:
    for task in tasks.values():
        assert (await engine.reader.task(ACCOUNT_ID, task.id)).tasks == [task]


async def test_a_lease_of_before_ends_under_its_token_and_the_end_is_repeated(
    engine: Engine, tasks: dict[Status, Task]
) -> None:
    task_id = tasks[Status.CLAIMED].id
    done = Completion(result='{"pages":3}')
    complete = asks.complete(task_id, TOKEN, completion=done)

    first, again = await engine.together([complete, complete])

    assert expect(Changed, first).task.status is Status.COMPLETED
    assert again == first


async def test_a_lease_of_before_can_be_released_or_asked_back(
    engine: Engine, tasks: dict[Status, Task]
) -> None:
    task_id = tasks[Status.CLAIMED].id

    asked, released = await engine.together(
        [asks.request_cancel(task_id), asks.release(task_id, TOKEN)]
    )

    assert expect(Changed, asked).task.cancel_requested_at == engine.clock.now()
    assert expect(Changed, released).task.status is Status.CANCELLED


async def test_a_task_of_before_is_claimed_under_a_key(
    engine: Engine, tasks: dict[Status, Task]
) -> None:
    claims = [
        asks.claim_task(tasks[Status.PENDING].id, number, lease=asks.a_keyed_lease(number))
        for number in (1, 2)
    ]

    (first,) = await engine.together(claims[:1])
    (again,) = await engine.together(claims[1:])

    assert expect(Held, again).task == expect(Held, first).task
    assert expect(Held, again).replayed


async def test_a_create_of_before_is_replayed(engine: Engine, tasks: dict[Status, Task]) -> None:
    again = asks.create(77, idempotency_key="k", request_digest=b"d")

    (outcome,) = await engine.together([again])

    assert getattr(outcome, "first", None) == next(iter(tasks.values()))


async def test_an_account_of_before_buys_a_plan(engine: Engine) -> None:
    outcomes = await engine.together([opens(), records(), confirms()])

    assert [expect(PurchaseOutcome, one).activated for one in outcomes] == [False, False, True]
    assert (await engine.reader.account(ACCOUNT_ID) or ACCOUNT).plan == "pro"


async def test_an_account_of_before_requires_no_token(engine: Engine, old: Database) -> None:
    key, _ = add_key(old, ACCOUNT_ID)

    principal = await engine.reader.principal(hashlib.sha256(key.encode()).digest())

    assert principal is not None
    assert principal.require_lease_token is False


async def test_tasks_of_before_are_counted(engine: Engine, tasks: dict[Status, Task]) -> None:
    await engine.together([asks.create(77, type="mail")])

    standing = await engine.reader.task_counts(ACCOUNT_ID, 10)

    report = Counts(pending=1, claimed=1, completed=1, dead_letter=1, cancelled=1)
    assert {task.type for task in tasks.values()} == {"report"}
    assert standing.by_type == {
        "": replace(report, pending=2),
        "mail": Counts(pending=1),
        "report": report,
    }


async def test_what_a_former_version_did_meanwhile_is_counted_in_the_end(
    old: Database, tasks: dict[Status, Task]
) -> None:
    if not isinstance(old, PostgresDatabase):
        # A file has one server at a time: nothing of before runs beside.
        return
    place = PostgresPlace(url=old.url)
    await postgres.prepare(place)
    async with running_engine(old, EngineOptions(catalogue=SMALL)) as engine:
        await engine.together([asks.create(77), asks.create(78, type="mail")])
        ended = tasks[Status.CLAIMED].id
        old.execute(f"update tasks set status = 'completed' where id = '{ended}'")
        old.execute(f"delete from tasks where id = '{tasks[Status.CANCELLED].id}'")
        for _ in range(2):
            # Once is enough, and twice does no harm.
            old.execute("delete from schema_migrations where number = 6")
            await postgres.migrate(place, "post")

        standing = await engine.reader.task_counts(ACCOUNT_ID, 10)

    report = Counts(pending=2, claimed=0, completed=2, dead_letter=1, cancelled=0)
    assert standing.by_type == {
        "": replace(report, pending=3),
        "mail": Counts(pending=1),
        "report": report,
    }
