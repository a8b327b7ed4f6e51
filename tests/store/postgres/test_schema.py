"""What holds of every table and index of the shared schema."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Final

import asyncpg
import pytest

from orchestrion.core.account import Account
from orchestrion.core.task import Task
from orchestrion.store.postgres.migrating import migrate
from orchestrion.store.postgres.place import Place
from tests.databases import Databases, PostgresDatabase

PACKAGE: Final = "orchestrion.store.postgres"
# Kept everywhere: the record of migrations; what is looked up by a key's hash; and purchases,
# whose orders and captures belong to one account among all.
WITHOUT_ACCOUNT: Final = {"accounts", "api_keys", "schema_migrations", "purchases"}
COLUMNS: Final = """
select attname from pg_attribute
where attrelid = $1::text::regclass and attnum > 0 and not attisdropped
order by attnum
"""
FIRST_COLUMNS: Final = """
select indexrelid::regclass::text, indrelid::regclass::text, attname
from pg_index join pg_attribute on attrelid = indrelid and attnum = indkey[0]
where indrelid::regclass::text in (select tablename from pg_tables where schemaname = 'public')
"""
TEXTS_IN_INDEXES: Final = """
select indexrelid::regclass::text, attname, collname
from pg_index
cross join lateral unnest(indkey, indcollation) as part (number, collation_id)
join pg_attribute on attrelid = indrelid and attnum = part.number
join pg_collation on pg_collation.oid = part.collation_id
where indrelid::regclass::text in (select tablename from pg_tables where schemaname = 'public')
"""
# Everything a dump would show, and the order indexes were made in, which breaks ties between plans.
DESCRIBED: Final = """
select relname, relkind::text, relpersistence::text, reloptions::text,
  array(
    select row(attname, atttypid::regtype, atttypmod, attnotnull, attcollation::regcollation,
      attstorage, attcompression, attoptions, pg_get_expr(adbin, adrelid))::text
    from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
    where attrelid = pg_class.oid and attnum > 0 and not attisdropped
    order by attnum
  ),
  array(
    select pg_get_indexdef(indexrelid) from pg_index
    where indrelid = pg_class.oid
    order by indexrelid
  ),
  array(
    select pg_get_constraintdef(oid) from pg_constraint where conrelid = pg_class.oid order by 1
  )
from pg_class
where relnamespace = 'public'::regnamespace
order by relname
"""


@pytest.fixture(scope="module")
def shared(databases: Databases) -> PostgresDatabase:
    with databases.postgres.lent() as database:
        return database


def columns(database: PostgresDatabase, table: str) -> list[str]:
    return [name for (name,) in database.fetch(COLUMNS, table)]


async def test_the_schema_equals_the_sum_of_its_migrations(databases: Databases) -> None:
    new, migrated = databases.postgres.bare(), databases.postgres.bare()
    schema = files(PACKAGE).joinpath("schema.sql").read_text("utf-8")

    async with connected(new) as connection:
        await connection.execute(schema)
        expected = await connection.fetch(DESCRIBED)
    await migrate(Place(url=migrated), "post")

    async with connected(migrated) as connection:
        assert await connection.fetch(DESCRIBED) == expected
    assert len(expected) > len(re.findall("^create (table|index)", schema, re.MULTILINE))


@asynccontextmanager
async def connected(url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


def test_columns_stand_in_the_order_of_the_fields_they_are_read_into(
    shared: PostgresDatabase,
) -> None:
    # The statements name them all; those without a place among the fields stand anywhere.
    tasks, accounts = columns(shared, "tasks"), columns(shared, "accounts")
    tasks.remove("due_at")
    own = {"leases_at_most", "require_lease_token"}

    assert tasks == list(Task.__struct_fields__)
    assert [name for name in accounts if name not in own] == list(Account.__struct_fields__)


def test_every_index_of_what_tenants_own_leads_with_the_account(shared: PostgresDatabase) -> None:
    """So that the tables can be distributed by account."""
    leading = {
        index: first
        for index, table, first in shared.fetch(FIRST_COLUMNS)
        if table not in WITHOUT_ACCOUNT
    }

    assert len(leading) >= 8
    assert set(leading.values()) == {"account_id"}


def test_whatever_is_looked_up_or_ordered_by_a_text_goes_by_its_bytes(
    shared: PostgresDatabase,
) -> None:
    """A locale's order may change with the operating system, and is not the other store's."""
    found = shared.fetch(TEXTS_IN_INDEXES)

    assert len(found) >= 20
    assert [(index, column) for index, column, collation in found if collation != "C"] == []


def test_nothing_in_the_database_acts_on_its_own(shared: PostgresDatabase) -> None:
    """Rules stand in the core; a foreign key would cross the places of a distributed database."""
    assert shared.fetch("select tgname from pg_trigger where not tgisinternal") == []
    assert shared.fetch("select rulename from pg_rules where schemaname = 'public'") == []
    checks = "select conname from pg_constraint where connamespace = 'public'::regnamespace"
    assert shared.fetch(f"{checks} and contype not in ('p', 'u', 'n')") == []
    functions = "select proname from pg_proc where pronamespace = 'public'::regnamespace"
    assert shared.fetch(functions) == []


def test_no_rule_hides_in_the_statements() -> None:
    for name in ("schema.sql", "queries.sql"):
        text = files(PACKAGE).joinpath(name).read_text("utf-8")
        statements = re.sub(r"--[^\n]*", "", text)
        assert not re.search(r"\b(trigger|function|case|now\s*\(|current_timestamp)\b", statements)
