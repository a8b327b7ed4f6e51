"""What an operator sees and sets of an account, beside running servers, in every database."""

import pytest

from orchestrion.core.account import Account
from orchestrion.core.faults import StoreRefused
from orchestrion.core.ids import AccountId
from orchestrion.core.instants import DAY, Instant
from orchestrion.store.operator import Operator
from orchestrion.store.postgres.operator import PostgresOperator
from orchestrion.store.postgres.place import Place
from orchestrion.store.sqlite.operator import SqliteOperator
from tests.databases import Database, PostgresDatabase, SqliteDatabase, add_accounts
from tests.engine.engines import Engine, EngineOptions, running_engine
from tests.factories import ACCOUNT_ID, SMALL, an_account, expect
from tests.unit import asks
from tests.unit.buying import sets

NOBODY = AccountId("acct_01KCNV8D0V00000000000000ZZ")


def operator_of(database: Database) -> Operator:
    if isinstance(database, PostgresDatabase):
        return PostgresOperator(Place(url=database.url), "shown")
    return SqliteOperator(expect(SqliteDatabase, database).path)


async def test_a_plan_that_is_set_beside_a_server_holds_at_once(database: Database) -> None:
    before = an_account(tasks_in_cycle=10)
    add_accounts(database, before)
    async with running_engine(database, EngineOptions(catalogue=SMALL)) as engine:
        await engine.together([asks.create(1)])
        ends = Instant(engine.clock.now() + DAY)

        changed = await operator_of(database).set_plan(sets("pro", ends), SMALL)
        read = await operator_of(database).account(ACCOUNT_ID)

        assert read == changed == expect(Account, await engine.reader.account(ACCOUNT_ID))
        assert (changed.plan, changed.plan_expires_at, changed.tasks_in_cycle) == ("pro", ends, 0)


async def test_a_plan_without_an_end_is_set(engine: Engine) -> None:
    operator = operator_of(engine.database)

    changed = await operator.set_plan(sets("pro"), SMALL)

    assert (changed.plan, changed.plan_expires_at) == ("pro", None)
    assert await operator.account(ACCOUNT_ID) == changed


async def test_the_leases_an_account_may_have_are_left_alone(database: Database) -> None:
    """PostgreSQL keeps a bound with the account that only claims know."""
    add_accounts(database, an_account("pro"))
    async with running_engine(database, EngineOptions(catalogue=SMALL)) as engine:
        await engine.together(asks.create(number) for number in range(6))
        await engine.together(asks.claim_next(number) for number in range(4))
        await operator_of(database).set_plan(sets("free"), SMALL)

        (refused,) = await engine.together([asks.claim_next(9)])

    assert getattr(refused, "code", None) == "max_workers_reached"


@pytest.mark.parametrize("plan_id", ["basic", "", "PRO"])
async def test_a_plan_that_the_catalogue_lacks_is_refused(plan_id: str, engine: Engine) -> None:
    operator = operator_of(engine.database)

    with pytest.raises(StoreRefused, match="the catalogue has free, pro"):
        await operator.set_plan(sets(plan_id), SMALL)

    assert (await operator.account(ACCOUNT_ID)).plan == "free"


async def test_an_account_that_does_not_exist_is_named(engine: Engine) -> None:
    operator = operator_of(engine.database)

    with pytest.raises(StoreRefused, match=f"there is no account {NOBODY}"):
        await operator.account(NOBODY)
    with pytest.raises(StoreRefused, match=f"there is no account {NOBODY}"):
        await operator.set_plan(sets("pro", None, NOBODY), SMALL)
