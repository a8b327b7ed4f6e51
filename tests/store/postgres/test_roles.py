"""The roles and the schema that a database administrator applies by hand, with psql."""

import asyncio
import subprocess
from collections.abc import Iterator
from importlib.resources import files

import asyncpg
import pytest

from orchestrion.core.faults import StoreRefused
from orchestrion.core.plans import SELF_HOSTED
from orchestrion.databases import open_backend
from orchestrion.store.address import DatabaseOptions, read_address
from orchestrion.store.operator import Operator
from orchestrion.store.postgres.migrating import migrate, prepare
from orchestrion.store.postgres.operator import PostgresOperator
from orchestrion.store.postgres.place import Place
from tests.postgres import OWNER, PostgresServer
from tests.store.postgres.pretended import ADDING, NEW

ROLES = files("orchestrion.store.postgres").joinpath("roles.sql").read_text("utf-8")
MIGRATOR = "orchestrion_migrator"
RUNTIME = "orchestrion_runtime"
ALTERING = (
    "create table extra ()",
    "alter table tasks add column extra text",
    "drop table tasks",
    "create index on tasks (type)",
    "truncate tasks",
    "alter role orchestrion_runtime createdb",
    "set role orchestrion_owner",
    "insert into schema_migrations values (99, 'x', 0)",
    "delete from schema_migrations",
)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Run a server of one's own: roles are everybody's."""
    with PostgresServer() as server:
        yield server


class Site:
    """A database, and the ways into it."""

    def __init__(self, server: PostgresServer, name: str) -> None:
        self.server = server
        self.name = name
        self.url = server.createdb(name)

    def place(self, role: str) -> Place:
        return Place(url=self.url.replace(f"//{OWNER}@", f"//{role}@"))

    def operator(self, role: str) -> Operator:
        return PostgresOperator(self.place(role), "")

    def psql(self, script: str, role: str = OWNER) -> str:
        run = subprocess.run(
            [self.server.bin / "psql", "--no-psqlrc", "--quiet", self.place(role).url],
            input=script,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert run.returncode == 0, run.stderr
        assert run.stderr == ""
        return run.stdout


@pytest.fixture
def site(server: PostgresServer, request: pytest.FixtureRequest) -> Site:
    name: str = request.node.name
    return Site(server, name)


def test_the_roles_may_be_made_again_and_say_nothing(site: Site) -> None:
    assert site.psql(ROLES) == ""
    assert site.psql(ROLES) == ""


async def test_a_migrator_sets_up_what_the_runtime_role_serves(site: Site) -> None:
    site.psql(ROLES)
    await migrate(site.place(MIGRATOR), "pre")
    site.psql(ROLES)

    await served(site)

    owners = site.psql("select distinct tableowner from pg_tables where schemaname = 'public'")
    assert owners.split()[2] == "orchestrion_owner"
    assert "(1 row)" in owners


async def test_the_runtime_role_cannot_alter_the_schema(site: Site) -> None:
    site.psql(ROLES)
    await migrate(site.place(MIGRATOR), "pre")
    site.psql(ROLES)

    connection = await asyncpg.connect(site.place(RUNTIME).url)
    for statement in ALTERING:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    await connection.close()


async def test_the_runtime_role_is_told_who_must_set_the_database_up(site: Site) -> None:
    site.psql(ROLES)

    with pytest.raises(StoreRefused, match=r"lacks 0001_pre_initial.sql.*`orchestrion db migrate`"):
        await prepare(site.place(RUNTIME))
    with pytest.raises(StoreRefused, match=r"orchestrion_migrator of `orchestrion db sql --roles`"):
        await migrate(site.place(RUNTIME), "pre")


async def test_a_role_without_rights_is_named_and_told_where_they_stand(site: Site) -> None:
    other = Site(site.server, f"{site.name}_other")
    other.psql(ROLES)
    await prepare(site.place(OWNER))

    with pytest.raises(StoreRefused, match=f"{RUNTIME}@.*permission denied .*sql --roles"):
        await prepare(site.place(RUNTIME))


async def test_the_runtime_role_is_told_who_must_add_what_it_lacks(site: Site) -> None:
    site.psql(ROLES)
    await migrate(site.place(MIGRATOR), "pre")

    with pytest.raises(StoreRefused, match=f"lacks {ADDING.name}"):
        await prepare(site.place(RUNTIME), NEW)

    assert await migrate(site.place(MIGRATOR), "pre", NEW) == [ADDING]
    await prepare(site.place(RUNTIME), NEW)


async def test_a_database_that_another_role_set_up_is_handed_over(site: Site) -> None:
    await prepare(site.place(OWNER))

    site.psql(ROLES)

    await served(site)
    assert await migrate(site.place(MIGRATOR), "pre", NEW) == [ADDING]


async def test_every_table_is_named_to_be_handed_over(site: Site) -> None:
    await prepare(site.place(OWNER))
    connection = await asyncpg.connect(site.url)
    tables = await connection.fetch("select tablename from pg_tables where schemaname = 'public'")
    await connection.close()

    assert all(f"'{name}'" in ROLES for (name,) in tables)


async def test_roles_come_with_time_limits(site: Site) -> None:
    site.psql(ROLES)

    for role in (MIGRATOR, RUNTIME):
        connection = await asyncpg.connect(site.place(role).url)
        assert await connection.fetchval("show lock_timeout") in {"2s", "5s"}
        assert await connection.fetchval("show idle_in_transaction_session_timeout") != "0"
        await connection.close()


async def test_psql_applies_the_schema_and_serve_finds_it_done(site: Site) -> None:
    site.psql(ROLES)
    by_hand = await site.operator(OWNER).sql("all")

    assert site.psql(by_hand, MIGRATOR) == ""

    status = await site.operator(RUNTIME).status()
    assert status.outstanding == []
    await served(site)


async def test_what_is_left_to_apply_by_hand_is_what_is_outstanding(site: Site) -> None:
    operator = site.operator(OWNER)
    before = await operator.sql("pre")
    site.psql(before)

    assert before == await operator.sql("all")
    assert await operator.sql("pre") == ""
    assert await operator.sql("post") == ""


async def test_a_script_applied_twice_stops_and_changes_nothing(site: Site) -> None:
    script = await site.operator(OWNER).sql("all")
    site.psql(script)

    with pytest.raises(AssertionError, match="already exists"):
        await asyncio.to_thread(site.psql, script)


async def served(site: Site) -> None:
    """Open the database as a server does, and use it."""
    options = DatabaseOptions(address=read_address(site.place(RUNTIME).url))
    backend = await open_backend(options, SELF_HOSTED)
    try:
        operator = site.operator(RUNTIME)
        created = await operator.first_key()
        assert created is not None
        assert await backend.reader.account(created.account_id) is not None
        assert await operator.revoke_key(created.key_id)
    finally:
        await backend.close()
