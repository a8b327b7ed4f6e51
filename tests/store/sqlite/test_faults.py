"""What other connections to the file, and limits of the file, do to the writer."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import apsw
import pytest

from orchestrion.core.faults import Conflict, Unavailable
from orchestrion.core.outcomes import Changed, Held, Outcome
from orchestrion.engine.writer import CONFLICT_TRIES
from orchestrion.store.sqlite import store
from orchestrion.store.sqlite.database import Place, connect
from tests.factories import a_task_id, expect
from tests.store.sqlite.files import FileEngine, running_engine
from tests.unit import asks

TASKS = "select count(*) from tasks"


@pytest.fixture
async def engine(path: Path) -> AsyncIterator[FileEngine]:
    """Run a writer on a new file."""
    async with running_engine(path) as engine:
        yield engine


@pytest.fixture
def beside(engine: FileEngine, path: Path) -> Iterator[apsw.Connection]:
    """Another connection to the engine's file, as an operator's command has one."""
    assert engine.store.commits == 0
    connection = connect(Place(path=path))
    yield connection
    connection.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait a moment for locks, not seconds: the waiting itself is SQLite's to test."""
    monkeypatch.setattr(store, "BUSY_TIMEOUT_MS", 1)


def kinds(outcomes: list[Outcome] | list[Outcome | BaseException]) -> list[type]:
    return [type(outcome) for outcome in outcomes]


# --- conflict: another transaction was in the way


@pytest.mark.usefixtures("impatient")
async def test_a_batch_is_run_again_when_another_transaction_was_in_the_way(
    engine: FileEngine, beside: apsw.Connection
) -> None:
    beside.execute("begin immediate")
    engine.watched.on_fault = lambda: beside.execute("rollback")

    outcomes = await engine.together(asks.create(number) for number in range(5))

    assert all(isinstance(outcome, Changed) for outcome in outcomes)
    assert engine.watched.calls == 2
    assert [type(fault) for fault in engine.watched.faults] == [Conflict]
    assert engine.count(TASKS) == 5


@pytest.mark.usefixtures("impatient")
async def test_a_batch_is_given_up_when_another_transaction_stays_in_the_way(
    engine: FileEngine, beside: apsw.Connection
) -> None:
    beside.execute("begin immediate")

    outcomes = await engine.faults(asks.create(number) for number in range(5))

    assert kinds(outcomes) == [Unavailable] * 5
    assert engine.watched.calls == CONFLICT_TRIES
    beside.execute("rollback")
    assert engine.count(TASKS) == 0
    assert isinstance((await engine.together([asks.create(1)]))[0], Changed)


# --- unavailable: the file cannot take writes now


async def test_a_full_database_refuses_every_caller_at_once(engine: FileEngine) -> None:
    await engine.together([asks.create(0)])
    pages = engine.connection.pragma("page_count")
    engine.connection.pragma("max_page_count", pages + 8)
    before = engine.watched.calls
    large = "x" * 60_000

    refused = await engine.faults(asks.create(n, payload=large) for n in range(1, 9))

    assert kinds(refused) == [Unavailable] * 8
    # A sick database is not hit once per caller.
    assert engine.watched.calls == before + 1
    assert engine.count(TASKS) == 1
    engine.connection.pragma("max_page_count", 2**30)
    resumed = await engine.together(asks.create(n, payload=large) for n in range(1, 9))
    assert kinds(resumed) == [Changed] * 8


async def test_a_full_database_still_lets_small_work_through(engine: FileEngine) -> None:
    await engine.together([asks.create(0)])
    engine.connection.pragma("max_page_count", engine.connection.pragma("page_count"))

    held = (await engine.together([asks.claim_next(1)]))[0]

    assert expect(Held, held).task.id == a_task_id(0)


async def test_a_database_that_may_only_be_read_refuses_every_caller(engine: FileEngine) -> None:
    engine.connection.pragma("query_only", 1)

    refused = await engine.faults([asks.create(1), asks.create(2), asks.claim_next(1)])

    assert kinds(refused) == [Unavailable] * 3
    engine.connection.pragma("query_only", 0)
    assert isinstance((await engine.together([asks.create(1)]))[0], Changed)
