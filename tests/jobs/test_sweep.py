"""Jobs work account by account: what breaks for one spares the others."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orchestrion.core.commands import ExpireLeases
from orchestrion.core.faults import Poison
from orchestrion.core.ids import AccountId
from orchestrion.core.task import Status
from orchestrion.jobs import sweep
from orchestrion.jobs.sweep import by_account, sweep_all
from orchestrion.store import rows
from tests.databases import Database
from tests.engine.engines import SQL, Engine, add_account, running_engine
from tests.factories import a_task, a_task_id, ago, an_account

ACCOUNTS = [AccountId(f"acct_{number:03}") for number in range(5)]
BROKEN = ACCOUNTS[1]
REFUSE = (
    "create trigger refuse before update on tasks when old.account_id = '{}' "
    "begin select raise(abort, 'refused'); end"
)


@pytest.fixture
async def engine(database: Database) -> AsyncIterator[Engine]:
    """Run a writer on a file where each account has two overdue tasks."""
    async with running_engine(database) as engine:
        for account_id in ACCOUNTS:
            add_account(engine.connection, an_account(id=account_id))
            overdue = (
                a_task(
                    Status.CLAIMED,
                    account_id=account_id,
                    id=a_task_id(number),
                    lease_expires_at=ago(1),
                )
                for number in range(2)
            )
            engine.connection.executemany(SQL["insert_task"], map(rows.insert_row, overdue))
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
    assert [batch.commands for batch in engine.observer.batches] == [5]


async def test_many_accounts_come_in_bounded_groups(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "AT_ONCE_MAX", 2)

    assert await sweep_all(engine.writer, sweeps()) == 10
    assert [batch.commands for batch in engine.observer.batches] == [2, 2, 1]


async def test_an_account_that_cannot_be_swept_spares_the_others_and_is_reported(
    engine: Engine,
) -> None:
    engine.connection.execute(REFUSE.format(BROKEN))

    with pytest.raises(Poison, match="refused"):
        await sweep_all(engine.writer, sweeps())

    assert engine.count("select count(*) from tasks where status = 'claimed'") == 2
    assert engine.count("select count(*) from tasks where status = 'pending'") == 8
