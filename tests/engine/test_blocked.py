"""A row of one account is held by somebody: the other accounts of the batch do not suffer."""

import pytest

from orchestrion.core.faults import Blocked
from orchestrion.core.ids import AccountId
from orchestrion.core.outcomes import Changed
from tests.engine.engines import Engine
from tests.engine.lanes import Lanes, lanes, register
from tests.unit import asks

ANNA, BERT, CARL = (AccountId(f"acct_{name}") for name in ("anna", "bert", "carl"))


def block(running: Lanes, account_id: AccountId) -> None:
    """Hold a row of the account, so that no transaction gets it."""

    def meet() -> None:
        if account_id in running.store.running[-1]:
            raise Blocked

    running.store.before = meet


@pytest.fixture
async def engine(engine: Engine) -> Engine:
    """Three accounts."""
    await engine.together(map(register, (ANNA, BERT, CARL)))
    return engine


async def test_only_the_account_whose_row_is_held_is_refused(engine: Engine) -> None:
    commands = [
        asks.create(number, account_id=account_id)
        for number, account_id in enumerate((ANNA, BERT, CARL, ANNA, BERT, CARL))
    ]
    async with lanes(engine, one_account=False, lanes=1) as one:
        block(one, BERT)

        outcomes = await one.faults(commands)

    kinds = [type(outcome) for outcome in outcomes]
    assert kinds == [Changed, Blocked, Changed, Changed, Blocked, Changed]
    assert engine.count("select count(*) from tasks") == 4


async def test_a_batch_of_one_account_is_not_tried_again(engine: Engine) -> None:
    async with lanes(engine, one_account=False, lanes=1) as one:
        block(one, BERT)

        outcomes = await one.faults([asks.create(1, account_id=BERT)])

    assert [type(outcome) for outcome in outcomes] == [Blocked]
    assert len(one.store.batches) == 1
