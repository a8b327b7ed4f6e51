"""The four faults, each provoked for real, and the four answers of the writer."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from msgspec.structs import replace

from orchestrion.core.commands import Command, CreateTask
from orchestrion.core.faults import Conflict, Poison, Unavailable, Unknown
from orchestrion.core.outcomes import Changed, Held, NoTask, Outcome, Rejection
from orchestrion.engine.writer import CONFLICT_TRIES
from orchestrion.store.sqlite import store
from orchestrion.store.sqlite.database import Place, connect
from tests.engine.engines import Engine, EngineOptions, running_engine
from tests.factories import OTHER_ACCOUNT_ID, a_task_id, expect
from tests.http.disks import Disk
from tests.unit import asks

TASKS = "select count(*) from tasks"


@pytest.fixture
def beside(engine: Engine, path: Path) -> Iterator[apsw.Connection]:
    """Another connection to the engine's file, as an operator's command has one."""
    assert engine.store.commits == 0
    connection = connect(Place(path=path))
    yield connection
    connection.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait a moment for locks, not seconds: the waiting itself is SQLite's to test."""
    monkeypatch.setattr(store, "BUSY_TIMEOUT_MS", 1)


def kinds(outcomes: list[Outcome | BaseException]) -> list[type]:
    return [type(outcome) for outcome in outcomes]


# --- poison: one command cannot be carried out


async def test_a_command_that_violates_a_constraint_fails_alone(engine: Engine) -> None:
    await engine.together([asks.create(7)])
    before = engine.watched.calls

    outcomes = await engine.faults(asks.create(number) for number in range(11))

    assert kinds(outcomes) == [Changed] * 7 + [Poison] + [Changed] * 3
    assert engine.count(TASKS) == 11
    # Found by halving: fewer transactions than one for each command.
    assert engine.watched.calls - before <= 2 * 4 + 1


async def test_a_value_the_database_cannot_hold_fails_alone(engine: Engine) -> None:
    creates = [asks.create(number) for number in range(8)]
    creates[5] = replace(creates[5], priority=2**63)

    outcomes = await engine.faults(creates)

    assert kinds(outcomes) == [Changed] * 5 + [Poison] + [Changed] * 2


async def test_a_command_that_breaks_its_decision_fails_alone(engine: Engine) -> None:
    """A schedule that is no number cannot be compared: a bug in a handler, say."""
    broken: CreateTask = replace(asks.create(3), scheduled_at="tomorrow")

    outcomes = await engine.faults([asks.create(1), broken, asks.create(2)])

    assert kinds(outcomes) == [Changed, Poison, Changed]
    assert "TypeError" in str(outcomes[1])


async def test_a_command_of_an_account_that_is_not_there_fails_alone(engine: Engine) -> None:
    stray: list[Command] = [
        asks.create(3, account_id=OTHER_ACCOUNT_ID),
        asks.claim_next(3, account_id=OTHER_ACCOUNT_ID),
    ]

    commands: list[Command] = [asks.create(1), *stray, asks.claim_next(1)]
    outcomes = await engine.faults(commands)

    assert kinds(outcomes) == [Changed, Poison, Poison, Held]


async def test_a_lone_command_that_fails_is_not_tried_again(engine: Engine) -> None:
    await engine.together([asks.create(1)])
    before = engine.watched.calls

    outcomes = await engine.faults([asks.create(1)])

    assert kinds(outcomes) == [Poison]
    assert engine.watched.calls == before + 1


async def test_neighbours_of_a_poisoned_command_keep_their_order(engine: Engine) -> None:
    await engine.together([asks.create(0)])
    batch: list[Command] = [asks.claim_next(1), asks.create(0), asks.create(2), asks.claim_next(2)]

    outcomes = await engine.faults(batch)

    assert kinds(outcomes) == [Held, Poison, Changed, Held]


# --- conflict: another transaction was in the way


@pytest.mark.usefixtures("impatient")
async def test_a_batch_is_run_again_when_another_transaction_was_in_the_way(
    engine: Engine, beside: apsw.Connection
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
    engine: Engine, beside: apsw.Connection
) -> None:
    beside.execute("begin immediate")

    outcomes = await engine.faults(asks.create(number) for number in range(5))

    assert kinds(outcomes) == [Unavailable] * 5
    assert engine.watched.calls == CONFLICT_TRIES
    beside.execute("rollback")
    assert engine.count(TASKS) == 0
    assert isinstance((await engine.together([asks.create(1)]))[0], Changed)


# --- unavailable: the database cannot take writes now


async def test_a_full_database_refuses_every_caller_at_once(engine: Engine) -> None:
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
    assert kinds([*resumed]) == [Changed] * 8


async def test_a_full_database_still_lets_small_work_through(engine: Engine) -> None:
    await engine.together([asks.create(0)])
    engine.connection.pragma("max_page_count", engine.connection.pragma("page_count"))

    held = (await engine.together([asks.claim_next(1)]))[0]

    assert expect(Held, held).task.id == a_task_id(0)


async def test_a_database_that_may_only_be_read_refuses_every_caller(engine: Engine) -> None:
    engine.connection.pragma("query_only", 1)

    refused = await engine.faults([asks.create(1), asks.create(2), asks.claim_next(1)])

    assert kinds(refused) == [Unavailable] * 3
    engine.connection.pragma("query_only", 0)
    assert isinstance((await engine.together([asks.create(1)]))[0], Changed)


# --- unknown: the commit may or may not have happened


@pytest.fixture
def disk() -> Iterator[Disk]:
    """A disk whose syncs a test breaks."""
    disk = Disk()
    yield disk
    disk.unregister()


async def test_a_commit_of_unknown_fate_is_told_to_all_and_never_replayed(
    path: Path, disk: Disk
) -> None:
    async with running_engine(path, EngineOptions(vfs=disk.label)) as engine:
        await engine.together([asks.create(0)])
        before = engine.watched.calls
        disk.loses_syncs = True

        wave: list[Command] = [asks.claim_next(1), *(asks.create(n) for n in range(1, 7))]
        outcomes = await engine.faults(wave)

        assert kinds(outcomes) == [Unknown] * 7
        assert engine.watched.calls == before + 1

        disk.heal()
        await engine.together([asks.create(9)])
        twice = "select count(*) - count(distinct id) from tasks"
        assert engine.count(twice) == 0
        assert engine.count("select max(attempt_count) from tasks") <= 1
        assert engine.count("select count(*) from tasks where status = 'claimed'") <= 1


async def test_a_commit_of_unknown_fate_is_wholly_there_or_not_at_all_after_a_crash(
    path: Path, disk: Disk
) -> None:
    copy = path.with_name("copy.db")
    async with running_engine(path, EngineOptions(vfs=disk.label)) as engine:
        await engine.together([asks.create(0)])
        disk.loses_syncs = True
        await engine.faults([asks.claim_next(1), *(asks.create(n) for n in range(1, 7))])
        for suffix in ("", "-wal"):
            content = path.with_name(path.name + suffix).read_bytes()
            copy.with_name(copy.name + suffix).write_bytes(content)
        disk.heal()

    async with running_engine(copy) as engine:
        tasks, claimed = engine.count(TASKS), engine.count("select sum(attempt_count) from tasks")
        assert (tasks, claimed) in {(1, 0), (7, 1)}


async def test_leases_are_counted_anew_after_a_commit_of_unknown_fate(
    path: Path, disk: Disk
) -> None:
    """What the store remembers of live leases must not fall behind what may be in the file."""
    async with running_engine(path, EngineOptions(vfs=disk.label)) as engine:
        await engine.together(asks.create(number) for number in range(4))
        await engine.together([asks.claim_next(1)])
        disk.loses_syncs = True
        await engine.faults([asks.claim_next(2)])
        disk.heal()

        outcomes = await engine.together([asks.claim_next(3), asks.claim_next(4)])

        assert [type(outcome) for outcome in outcomes] == [Held, Held]


async def test_any_other_fault_of_a_store_counts_as_unknown(engine: Engine) -> None:
    def lose_the_answer() -> None:
        raise ConnectionResetError("the answer was lost")

    engine.watched.after_commit = lose_the_answer

    outcomes = await engine.faults(asks.create(number) for number in range(7))

    assert kinds(outcomes) == [Unknown] * 7
    assert engine.watched.calls == 1
    assert engine.count(TASKS) == 7
    engine.watched.after_commit = lambda: None
    repeats = await engine.together(asks.complete(a_task_id(n)) for n in range(7))
    assert kinds([*repeats]) == [Rejection] * 7


# --- whatever happened, the next batch is served


async def test_a_writer_goes_on_after_every_fault(engine: Engine) -> None:
    await engine.together([asks.create(0)])
    await engine.faults([asks.create(0)])
    engine.connection.pragma("query_only", 1)
    await engine.faults([asks.create(1)])
    engine.connection.pragma("query_only", 0)

    outcomes = await engine.together([asks.claim_next(1), asks.claim_next(2)])

    assert [type(outcome) for outcome in outcomes] == [Held, NoTask]


async def test_a_caller_that_left_is_not_told_of_a_fault(engine: Engine) -> None:
    engine.connection.pragma("query_only", 1)
    leaving = asyncio.create_task(engine.writer.submit(asks.create(1)))
    engine.watched.on_fault = leaving.cancel

    staying = await engine.faults([asks.create(2)])

    assert leaving.cancelled()
    assert kinds(staying) == [Unavailable]
    engine.connection.pragma("query_only", 0)
