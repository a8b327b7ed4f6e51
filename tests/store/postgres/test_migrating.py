"""Schemas brought up to date while others run, by several at once, and by versions old and new."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files

import asyncpg
import pytest

from orchestrion.core.faults import StoreRefused
from orchestrion.store.migrate import Migration
from orchestrion.store.postgres.migrating import KNOWN, Patience, migrate, prepare
from orchestrion.store.postgres.place import Place
from tests.databases import Databases
from tests.harness import Account, Harness, running
from tests.store.postgres.pretended import ADDING, NEW, OLD, TAKING

HASTY = Patience(lock_seconds=0.05, tries=3, pause_seconds=0.01)
STEADY = Patience(lock_seconds=0.05, tries=10_000, pause_seconds=0.01)
REPLICAS = 8
PATIENCE_SECONDS = 20
DESCRIBED = """
select 'column', table_name, column_name, data_type, is_nullable, column_default, collation_name
from information_schema.columns where table_schema = 'public'
union all
select 'index', tablename, indexname, indexdef, null, null, null
from pg_indexes where schemaname = 'public'
union all
select 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid), null, null, null
from pg_constraint where connamespace = 'public'::regnamespace
union all
select 'options', relname, array_to_string(reloptions, ','), null, null, null, null
from pg_class where relnamespace = 'public'::regnamespace
order by 1, 2, 3
"""


@pytest.fixture
def place(databases: Databases) -> Place:
    """Give an empty database, without any table."""
    return Place(url=databases.postgres.bare())


@asynccontextmanager
async def looking(place: Place) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(place.url)
    try:
        yield connection
    finally:
        await connection.close()


async def recorded(place: Place) -> list[str]:
    async with looking(place) as connection:
        rows = await connection.fetch("select name from schema_migrations order by number")
    return [name for (name,) in rows]


def names(*known: Migration) -> list[str]:
    return [one.name for one in known]


# --- the schema


async def test_the_schema_equals_the_sum_of_its_migrations(
    databases: Databases, place: Place
) -> None:
    new = Place(url=databases.postgres.bare())
    async with looking(new) as connection:
        schema = files("orchestrion.store.postgres").joinpath("schema.sql").read_text("utf-8")
        await connection.execute(schema)
        expected = await connection.fetch(DESCRIBED)

    await prepare(place)

    async with looking(place) as connection:
        assert await connection.fetch(DESCRIBED) == expected


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [one.number for one in KNOWN] == list(range(1, len(KNOWN) + 1))


# --- several at once


async def test_of_many_servers_that_start_at_once_one_sets_up_the_database(place: Place) -> None:
    await asyncio.gather(*[prepare(place, NEW) for _ in range(REPLICAS)])

    assert await recorded(place) == names(*NEW)


async def test_of_many_that_migrate_at_once_each_file_is_applied_by_one(place: Place) -> None:
    await prepare(place, OLD)

    applied = await asyncio.gather(*[migrate(place, "post", NEW) for _ in range(REPLICAS)])

    assert sorted(one.name for each in applied for one in each) == names(ADDING, TAKING)
    assert await recorded(place) == names(*NEW)


# --- old and new side by side


async def test_a_newer_server_adds_what_it_needs_and_the_older_goes_on(place: Place) -> None:
    await prepare(place, OLD)

    await prepare(place, NEW)

    assert await recorded(place) == names(*KNOWN, ADDING)
    # An older one may even start anew, as one that crashed does.
    await prepare(place, OLD)
    assert await migrate(place, "post", OLD) == []


async def test_an_older_server_works_while_a_newer_one_adds_to_its_tables(
    databases: Databases,
) -> None:
    with databases.postgres.made() as database:
        place = Place(url=database.url)
        async with running(database) as service:
            account = await service.account()
            before = await lived(service, account)
            assert before == [201, 200, 200]

            assert await migrate(place, "pre", NEW) == [ADDING]

            assert [await lived(service, account) for _ in range(3)] == [before] * 3


async def lived(service: Harness, account: Account) -> list[int]:
    """Lead a task through its life; gives the statuses of the answers."""
    post = service.client.post
    created = await post(
        "/v1/tasks", json={"type": "report", "payload": {}}, headers=account.headers
    )
    claimed = await post("/v1/tasks/claim", json={"type": "report"}, headers=account.headers)
    token = {"lease_token": claimed.json()["lease_token"]}
    done = f"/v1/tasks/{claimed.json()['task']['id']}/complete"
    completed = await post(done, json=token, headers=account.headers)
    return [answer.status_code for answer in (created, claimed, completed)]


async def test_an_older_server_is_refused_once_it_would_miss_something(place: Place) -> None:
    await prepare(place, OLD)
    await prepare(place, NEW)

    assert await migrate(place, "post", NEW) == [TAKING]

    with pytest.raises(StoreRefused, match="run a newer version"):
        await prepare(place, OLD)
    await prepare(place, NEW)


async def test_a_server_never_applies_what_older_ones_would_miss(place: Place) -> None:
    await prepare(place, OLD)

    assert await migrate(place, "pre", NEW) == [ADDING]
    assert await migrate(place, "pre", NEW) == []


# --- what goes wrong


async def test_a_file_that_breaks_leaves_nothing_behind(place: Place) -> None:
    await prepare(place)
    broken = Migration(
        number=ADDING.number, name=ADDING.name, sql="create table extra (); create table extra ();"
    )

    with pytest.raises(StoreRefused, match='relation "extra" already exists'):
        await migrate(place, "pre", (*KNOWN, broken))

    assert await recorded(place) == names(*KNOWN)
    async with looking(place) as connection:
        assert await connection.fetchval("select to_regclass('extra')") is None


async def test_a_file_that_waits_for_a_table_lets_traffic_pass(place: Place) -> None:
    await prepare(place, OLD)
    async with looking(place) as long, looking(place) as traffic:
        holding = long.transaction()
        await holding.start()
        await long.execute("select from accounts")

        migrating = asyncio.create_task(migrate(place, "pre", NEW, STEADY))
        await seen_waiting(traffic)
        async with asyncio.timeout(PATIENCE_SECONDS):
            # Each asks for the lock behind which the file waits, if it waits just then.
            for _ in range(20):
                await traffic.execute("select from accounts limit 1")
        assert not migrating.done()
        await holding.rollback()

        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await migrating == [ADDING]


async def test_a_table_that_stays_in_use_ends_the_tries_with_one_sentence(place: Place) -> None:
    await prepare(place, OLD)
    async with looking(place) as long, long.transaction():
        await long.execute("select from accounts")

        with pytest.raises(StoreRefused, match=r"^0900_pre_note.sql found a table in use 3 times"):
            await migrate(place, "pre", NEW, HASTY)

    assert await migrate(place, "pre", NEW, HASTY) == [ADDING]


async def seen_waiting(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await connection.fetchval(waits):  # noqa: ASYNC110 - nobody tells it
            await asyncio.sleep(0.01)


async def test_the_record_of_another_program_is_left_alone(place: Place) -> None:
    async with looking(place) as connection:
        await connection.execute("create table schema_migrations (version text)")

    with pytest.raises(StoreRefused, match="another program's: give Orchestrion a database of its"):
        await prepare(place)


async def test_a_database_that_is_not_there_is_one_sentence(databases: Databases) -> None:
    with pytest.raises(StoreRefused, match='database "none" does not exist'):
        await prepare(Place(url=databases.postgres.url_of("none")))
