"""What a copy brings over, what it notices, and what it refuses."""

from collections.abc import Sequence

import apsw
import pytest

from orchestrion.copying.source import Source
from orchestrion.copying.tables import PAGE_ROWS, TABLES
from orchestrion.copying.transfer import copy
from orchestrion.core.faults import StoreRefused
from orchestrion.core.instants import SECOND
from orchestrion.core.plans import SELF_HOSTED
from orchestrion.core.purchase import Stage
from orchestrion.store.operator import wall_time
from orchestrion.store.postgres import migrating
from orchestrion.store.postgres.operator import PostgresOperator
from orchestrion.store.postgres.place import Place
from orchestrion.store.sqlite.backend import Backend
from orchestrion.store.sqlite.database import Place as FilePlace
from tests.copying.places import ACCOUNTS, COUNT_COLUMNS, copied, fill, shared, unseen
from tests.databases import Database, Databases, Row, SqliteDatabase, count
from tests.pgbouncer import PgBouncer

NAMES = [table.name for table in TABLES]
ROWS = [ACCOUNTS * each for each in (1, 5, 40, 5, 3, 1, len(Stage) + 1, 2, 2)]


def contents(database: Database, table: str, columns: Sequence[str]) -> list[Row]:
    return sorted(database.fetch(f"select {', '.join(columns)} from {table}"), key=repr)


def columns_of(file: SqliteDatabase, table: str) -> list[str]:
    found = file.fetch("select name from pragma_table_info($1)", table)
    return [name for (name,) in found]


async def test_every_row_and_column_is_brought_over(
    file: SqliteDatabase, databases: Databases, url: str
) -> None:
    outcome = await copied(file.path, url)

    assert outcome.differing == []
    assert [table.in_file.table for table in outcome.tables] == NAMES
    assert [table.in_database.rows for table in outcome.tables] == ROWS
    with shared(databases, url) as database:
        for name in NAMES:
            columns = columns_of(file, name)
            assert contents(database, name, columns) == contents(file, name, columns)


async def test_no_table_and_no_column_is_forgotten(
    file: SqliteDatabase, databases: Databases, url: str
) -> None:
    in_file = {
        name for (name,) in file.fetch("select name from sqlite_schema where type = 'table'")
    }
    assert in_file - {"schema_migrations", "marks"} == set(NAMES)

    await copied(file.path, url)

    with shared(databases, url) as database:
        assert set(database.tables) - {"copies"} == set(NAMES)
        for name in NAMES:
            found = database.fetch(
                "select column_name::text from information_schema.columns where table_name = $1",
                name,
            )
            own = {"leases_at_most"} if name == "accounts" else set()
            assert {column for (column,) in found} - own == set(columns_of(file, name))


async def test_the_bound_of_leases_is_the_number_of_claimed_tasks(
    file: SqliteDatabase, databases: Databases, url: str
) -> None:
    await copied(file.path, url)

    claimed = file.fetch(
        "select account_id, count(*) from tasks where status = 'claimed' group by account_id"
    )
    assert len(claimed) == ACCOUNTS
    with shared(databases, url) as database:
        assert sorted(database.fetch("select id, leases_at_most from accounts")) == sorted(claimed)


async def test_pages_are_short_and_none_is_left_out(databases: Databases, url: str) -> None:
    seen: dict[str, list[int]] = {}
    with databases.sqlite() as file:
        fill(file, tasks=PAGE_ROWS // 2 + 100)
        expected = count(file, "select count(*) from tasks")

        outcome = await copy(
            file.path,
            Place(url=url),
            lambda step, done, total: seen.setdefault(step, [total]).append(done),
        )

    assert expected > 2 * PAGE_ROWS
    assert outcome.tables[2].in_database.rows == expected
    for total, *dones in seen.values():
        assert dones[-1] == total
        assert all(b - a <= PAGE_ROWS for a, b in zip([0, *dones], dones, strict=False))
    assert len(seen) == 3


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("accounts", "update accounts set email = 'ops@exâmple.com' where email is not null"),
        ("api_keys", "update api_keys set revoked_at = null"),
        ("tasks", "update tasks set payload = '{ }' where payload = '{}'"),
        ("tasks", "update tasks set result = '' where result is null and status = 'pending'"),
        ("idempotency_keys", "update idempotency_keys set request_digest = '' where key = 'B'"),
        ("request_counts", "delete from request_counts where key_id = 'key_1'"),
        ("request_counts", "insert into request_counts values ('acct_2', 'key_1', '', 0, 0)"),
        ("purchases", "update purchases set capture_id = null where capture_id is not null"),
        ("purchases", "update purchases set price_usd = '0.1'"),
    ],
)
async def test_whatever_differs_in_the_end_is_named(
    file: SqliteDatabase, databases: Databases, url: str, table: str, change: str
) -> None:
    """The row is changed after it was copied, and before the copy looks at it again."""
    await migrating.migrate(Place(url=url), "pre")
    with shared(databases, url) as database:
        tampered: list[int] = []

        def tamper(step: str, done: int, total: int) -> None:
            if step == "Copying" and done == total:
                tampered.append(database.execute(change))

        outcome = await copy(file.path, Place(url=url), tamper)

        assert tampered[0] > 0
        assert outcome.differing == [table]
        with pytest.raises(StoreRefused, match="unfinished copy"):
            await migrating.prepare(Place(url=url))


async def test_a_copy_that_stood_half_way_goes_on(
    file: SqliteDatabase, databases: Databases, url: str
) -> None:
    await copied(file.path, url)
    with shared(databases, url) as database:
        database.execute("update copies set verified_at = null")
        database.execute("delete from request_counts")
        database.execute(
            "delete from idempotency_keys where account_id > (select min(id) from accounts)"
        )

        outcome = await copied(file.path, url)

        assert outcome.differing == []
        assert not outcome.verified_before
        assert [table.in_database.rows for table in outcome.tables] == ROWS


async def test_a_server_starts_on_a_finished_copy_alone(
    file: SqliteDatabase, databases: Databases, url: str
) -> None:
    await copied(file.path, url)
    await migrating.prepare(Place(url=url))

    with shared(databases, url) as database:
        database.execute("update copies set verified_at = null")
    with pytest.raises(StoreRefused, match=f"unfinished copy of {file.path}"):
        await migrating.prepare(Place(url=url))


async def test_a_finished_copy_is_left_to_its_servers(
    file: SqliteDatabase, databases: Databases, url: str
) -> None:
    await copied(file.path, url)
    with shared(databases, url) as database:
        database.execute("delete from tasks")

        outcome = await copied(file.path, url)

        assert (outcome.verified_before, outcome.differing) == (True, [])
        assert count(database, "select count(*) from tasks") == 0


async def test_rows_that_no_copy_brought_are_never_merged_with(
    file: SqliteDatabase, databases: Databases, url: str
) -> None:
    await migrating.prepare(Place(url=url))
    with shared(databases, url) as database:
        database.insert("request_counts", COUNT_COLUMNS, [("acct_1", "key_1", "reads", 0, 1)])

        with pytest.raises(StoreRefused, match="empty database, and request_counts has rows"):
            await copied(file.path, url)

        assert count(database, "select count(*) from accounts") == 0
        assert "copies" not in database.tables


@pytest.mark.parametrize("verified", ["verified_at", "null"])
async def test_a_copy_of_other_contents_is_not_gone_on_with(
    file: SqliteDatabase, databases: Databases, url: str, verified: str
) -> None:
    await copied(file.path, url)
    with shared(databases, url) as database:
        database.execute(f"update copies set verified_at = {verified}")
    file.execute("update tasks set priority = 9")

    with pytest.raises(StoreRefused, match=f"begun from {file.path} with other contents"):
        await copied(file.path, url)


async def test_a_file_in_use_is_not_copied(file: SqliteDatabase, url: str) -> None:
    backend = Backend(FilePlace(path=file.path), lambda _: file.clock, SELF_HOSTED)
    try:
        with pytest.raises(StoreRefused, match=r"another server is using .* needs it for itself"):
            await copied(file.path, url)
    finally:
        await backend.close()

    assert (await copied(file.path, url)).differing == []


async def test_nothing_is_written_to_the_file_while_it_is_copied(file: SqliteDatabase) -> None:
    file.execute("pragma busy_timeout = 0")

    with Source(file.path), pytest.raises(apsw.BusyError):
        file.execute("update tasks set priority = 1")

    assert file.execute("update tasks set priority = 1") > 0


async def test_a_file_that_is_no_database_of_ours_is_refused(
    databases: Databases, url: str
) -> None:
    with databases.sqlite() as file:
        for table in ("schema_migrations", "tasks"):
            file.execute(f"drop table {table}")
        with pytest.raises(StoreRefused, match="older version"):
            await copied(file.path, url)
        missing = file.path.with_name("missing.db")
        with pytest.raises(StoreRefused, match="no database at"):
            await copied(missing, url)
        assert not missing.exists()
        text = file.path.with_name("text.db")
        text.write_text("not a database at all, but long enough to have a header" * 100)
        with pytest.raises(StoreRefused, match="cannot read"):
            await copied(text, url)


async def test_a_file_whose_time_is_ahead_is_told_of(file: SqliteDatabase, url: str) -> None:
    file.execute("insert into marks values ('time', $1)", wall_time() + 600 * SECOND)

    assert 590 < (await copied(file.path, url)).ahead_seconds <= 600


async def test_a_file_whose_time_is_past_is_not_spoken_of(file: SqliteDatabase, url: str) -> None:
    file.execute("insert into marks values ('time', $1)", wall_time() - 600 * SECOND)

    assert (await copied(file.path, url)).ahead_seconds == 0


@pytest.mark.pgbouncer
async def test_a_copy_goes_through_a_pooler(
    file: SqliteDatabase, databases: Databases, url: str
) -> None:
    with PgBouncer(databases.postgres.url) as pooler:
        place = Place(url=pooler.url(url.rpartition("/")[2]), pooler="transaction")

        outcome = await copy(file.path, place, unseen)

    assert outcome.differing == []
    assert [table.in_database.rows for table in outcome.tables] == ROWS


async def test_nobody_makes_keys_in_an_unfinished_copy(
    file: SqliteDatabase, databases: Databases, url: str
) -> None:
    await copied(file.path, url)
    with shared(databases, url) as database:
        database.execute("update copies set verified_at = null")

    with pytest.raises(StoreRefused, match="unfinished copy"):
        await PostgresOperator(Place(url=url), url).create_key(None, None)

    assert (await copied(file.path, url)).differing == []
    await PostgresOperator(Place(url=url), url).create_key(None, None)
