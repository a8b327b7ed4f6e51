"""Jobs work account by account: what breaks for one spares the others."""

from collections.abc import AsyncIterator

import pytest

from orchestrion.core.commands import ExpireLeases
from orchestrion.core.faults import Unavailable
from orchestrion.core.ids import AccountId
from orchestrion.core.task import Status
from orchestrion.engine.overload import QueueLimits
from orchestrion.jobs import sweep
from orchestrion.jobs.sweep import by_account, sweep_all
from tests.databases import Database, add_accounts, add_tasks
from tests.engine.engines import Engine, EngineOptions, running_engine
from tests.factories import a_task, a_task_id, ago, an_account

ACCOUNTS = [AccountId(f"acct_{number:03}") for number in range(5)]
# Of jobs, three commands may wait.
OPTIONS = EngineOptions(queue=QueueLimits(queue_max=6))


@pytest.fixture
def neglected(database: Database) -> Database:
    """Give each account two overdue tasks."""
    add_accounts(database, *(an_account(id=one) for one in ACCOUNTS))
    add_tasks(
        database,
        (
            a_task(Status.CLAIMED, account_id=one, id=task_id, lease_expires_at=ago(1))
            for one in ACCOUNTS
            for task_id in (a_task_id(0), a_task_id(1))
        ),
    )
    return database


@pytest.fixture
async def engine(neglected: Database) -> AsyncIterator[Engine]:
    """Run a writer."""
    async with running_engine(neglected) as engine:
        yield engine


def sweeps() -> list[ExpireLeases]:
    ids = (a_task_id(0), a_task_id(1))
    return [ExpireLeases(account_id=one, task_ids=ids) for one in ACCOUNTS]


def test_pairs_are_gathered_by_account_in_the_order_they_were_found() -> None:
    pairs = [(ACCOUNTS[1], "a"), (ACCOUNTS[0], "b"), (ACCOUNTS[1], "c")]

    found = by_account(pairs)

    assert found == {ACCOUNTS[1]: ("a", "c"), ACCOUNTS[0]: ("b",)}
    assert list(found) == [ACCOUNTS[1], ACCOUNTS[0]]


async def test_accounts_are_swept_together(engine: Engine) -> None:
    assert await sweep_all(engine.writer, sweeps()) == 10
    assert sum(batch.commands for batch in engine.observer.batches) == 5


async def test_many_accounts_come_in_bounded_groups(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "AT_ONCE_MAX", 2)

    assert await sweep_all(engine.writer, sweeps()) == 10
    assert max(batch.commands for batch in engine.observer.batches) <= 2


async def test_an_account_that_cannot_be_swept_spares_the_others_and_is_reported(
    neglected: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of four at once the fourth is turned away; the fifth comes after them."""
    monkeypatch.setattr(sweep, "AT_ONCE_MAX", 4)
    async with running_engine(neglected, OPTIONS) as engine:
        with pytest.raises(Unavailable, match="turned away"):
            await sweep_all(engine.writer, sweeps())

        assert engine.count("select count(*) from tasks where status = 'claimed'") == 2
        assert engine.count("select count(*) from tasks where status = 'pending'") == 8
