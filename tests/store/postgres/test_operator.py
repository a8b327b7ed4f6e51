"""Keys and a look at a shared database, beside whatever runs."""

import asyncio
from collections.abc import Iterator

import pytest

from orchestrion.core.faults import StoreRefused
from orchestrion.store.address import PostgresUrl, read_address
from orchestrion.store.operator import Operator
from orchestrion.store.postgres.migrating import prepare
from orchestrion.store.postgres.operator import PostgresOperator
from orchestrion.store.postgres.place import Place
from tests.databases import Databases, PostgresDatabase
from tests.postgres import PostgresServer

AT_ONCE = 10


def operator_at(url: str) -> Operator:
    address = read_address(url)
    assert isinstance(address, PostgresUrl)
    return PostgresOperator(Place(url=url), address.shown)


@pytest.fixture
def database(databases: Databases) -> Iterator[PostgresDatabase]:
    """Lend an empty database of one's own."""
    with databases.postgres.made() as database:
        yield database


@pytest.fixture
def operator(database: PostgresDatabase) -> Operator:
    return operator_at(database.url)


@pytest.fixture
def bare(databases: Databases) -> Operator:
    """Give the operator of a database without any table."""
    return operator_at(databases.postgres.bare())


# --- keys


async def test_keys_are_made_listed_and_revoked(operator: Operator) -> None:
    first = await operator.create_key(None, "ops@example.com")
    second = await operator.create_key(first.account_id, None)

    revoked = await operator.revoke_key(second.key_id)
    again = await operator.revoke_key(second.key_id)

    assert (revoked, again) == (True, False)
    listed = await operator.list_keys()
    assert [(row.key_id, row.account_id) for row in listed] == [
        (first.key_id, first.account_id),
        (second.key_id, first.account_id),
    ]
    assert listed[0].revoked_at is None
    assert listed[1].revoked_at is not None
    assert listed[1].created_at <= listed[1].revoked_at


async def test_an_unknown_account_leaves_no_key_behind(operator: Operator) -> None:
    with pytest.raises(StoreRefused, match="there is no account acct_none"):
        await operator.create_key("acct_none", None)

    assert await operator.list_keys() == []


async def test_revoking_an_unknown_key_says_so(operator: Operator) -> None:
    assert not await operator.revoke_key("key_unknown")


async def test_of_many_that_ask_at_once_one_gets_the_first_key(operator: Operator) -> None:
    given = await asyncio.gather(*[operator.first_key() for _ in range(AT_ONCE)])

    (created,) = [key for key in given if key is not None]
    assert [row.key_id for row in await operator.list_keys()] == [created.key_id]


async def test_a_database_whose_keys_are_revoked_is_not_new(operator: Operator) -> None:
    created = await operator.create_key(None, None)
    await operator.revoke_key(created.key_id)

    assert await operator.first_key() is None


# --- databases that cannot be used


async def test_making_a_key_sets_an_empty_database_up(bare: Operator) -> None:
    created = await bare.create_key(None, None)

    assert [row.key_id for row in await bare.list_keys()] == [created.key_id]


async def test_an_empty_database_has_no_keys_to_list_or_revoke(bare: Operator) -> None:
    with pytest.raises(StoreRefused, match="the database is empty: `orchestrion serve` or"):
        await bare.list_keys()
    with pytest.raises(StoreRefused, match="the database is empty"):
        await bare.revoke_key("key_unknown")


async def test_an_operator_leaves_a_newer_database_alone(
    database: PostgresDatabase, operator: Operator
) -> None:
    database.execute("insert into schema_migrations values (99, '0099_post_later.sql', 0)")

    with pytest.raises(StoreRefused, match="newer version"):
        await operator.create_key(None, None)
    with pytest.raises(StoreRefused, match="newer version"):
        await operator.list_keys()


async def test_a_server_that_is_not_there_is_one_sentence_without_the_password() -> None:
    operator = operator_at("postgresql://me:hunter2@127.0.0.1:1/tasks")

    with pytest.raises(StoreRefused, match="the database cannot be reached") as refused:
        await operator.list_keys()

    assert "hunter2" not in str(refused.value)
    assert "\n" not in str(refused.value)


# --- a look


async def test_the_state_of_an_empty_database_is_shown_and_it_stays_empty(bare: Operator) -> None:
    for _ in range(2):
        status = await bare.status()

        assert status.applied == []
        assert status.outstanding
        assert not status.fit


async def test_the_state_of_a_database_in_use_is_shown(
    database: PostgresDatabase, operator: Operator
) -> None:
    status = await operator.status()

    assert status.outstanding == []
    assert status.applied == [1, 2, 3]
    assert status.size_bytes > 0
    ((version,),) = database.fetch("show server_version")
    assert status.server == f"PostgreSQL {version}"
    values = {check.name: check.value for check in status.checks}
    for name, value in values.items():
        assert [(value,)] == database.fetch(f"show {name}")
    assert set(values) == {
        *("fsync", "full_page_writes", "synchronous_commit"),
        *("server_encoding", "max_connections"),
    }


async def test_settings_that_lose_work_are_advised_against(
    database: PostgresDatabase, operator: Operator
) -> None:
    ((name,),) = database.fetch("select current_database()")
    database.execute(f"alter database {name} set synchronous_commit = off")

    status = await operator.status()

    (check,) = [check for check in status.checks if check.name == "synchronous_commit"]
    assert check.value == "off"
    assert check.advice
    assert not status.fit


# One server process that is renewed in turns: twice eight connections, and ten to spare.
@pytest.mark.parametrize(("allowed", "advised"), [(25, True), (26, False)])
async def test_too_few_connections_for_a_server_and_its_successor_are_advised_against(
    allowed: int, *, advised: bool
) -> None:
    with PostgresServer({"max_connections": str(allowed)}) as server:
        await prepare(Place(url=server.url()))

        status = await operator_at(server.url()).status()

    (check,) = [check for check in status.checks if check.name == "max_connections"]
    assert (check.value, bool(check.advice)) == (str(allowed), advised)


async def test_what_servers_take_of_the_connections_is_told_whatever_is_allowed(
    operator: Operator,
) -> None:
    status = await operator.status()

    (check,) = [check for check in status.checks if check.name == "max_connections"]
    assert check.note == "needed: 8 x workers x machines + 8 x workers + 10"
    assert not check.advice
