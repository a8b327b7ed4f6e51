"""The four faults, each provoked for real, and the four answers of the writer."""

import asyncio

from msgspec.structs import replace

from orchestrion.core.commands import Command, CreateTask
from orchestrion.core.faults import Poison, Unavailable, Unknown
from orchestrion.core.outcomes import Changed, Held, NoTask, Outcome, Rejection
from orchestrion.core.view import View
from tests.databases import Database, Trouble
from tests.engine.engines import Engine, running_engine
from tests.factories import OTHER_ACCOUNT_ID, a_task_id
from tests.unit import asks

TASKS = "select count(*) from tasks"


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


# --- unavailable: the database cannot take writes now


async def test_a_full_database_refuses_every_caller_at_once(
    engine: Engine, trouble: Trouble
) -> None:
    await engine.together([asks.create(0)])
    before = engine.watched.calls
    trouble.full = True

    refused = await engine.faults(asks.create(n) for n in range(1, 9))

    assert kinds(refused) == [Unavailable] * 8
    # A sick database is not hit once per caller.
    assert engine.watched.calls == before + 1
    assert engine.count(TASKS) == 1
    trouble.full = False
    resumed = await engine.together(asks.create(n) for n in range(1, 9))
    assert kinds([*resumed]) == [Changed] * 8


async def test_a_full_database_refuses_claims_and_creates_together(
    engine: Engine, trouble: Trouble
) -> None:
    await engine.together([asks.create(0)])
    trouble.full = True

    refused = await engine.faults([asks.create(1), asks.create(2), asks.claim_next(1)])

    assert kinds(refused) == [Unavailable] * 3
    trouble.full = False
    assert isinstance((await engine.together([asks.claim_next(1)]))[0], Held)


# --- unknown: the commit may or may not have happened


async def test_a_commit_of_unknown_fate_is_told_to_all_and_never_replayed(
    database: Database, trouble: Trouble
) -> None:
    async with running_engine(database) as engine:
        await engine.together([asks.create(0)])
        before = engine.watched.calls
        trouble.loses_commits = True

        wave: list[Command] = [asks.claim_next(1), *(asks.create(n) for n in range(1, 7))]
        outcomes = await engine.faults(wave)

        assert kinds(outcomes) == [Unknown] * 7
        assert engine.watched.calls == before + 1

        trouble.heal()
        await engine.together([asks.create(9)])
        twice = "select count(*) - count(distinct id) from tasks"
        assert engine.count(twice) == 0
        assert engine.count("select max(attempt_count) from tasks") <= 1
        assert engine.count("select count(*) from tasks where status = 'claimed'") <= 1


async def test_a_commit_of_unknown_fate_is_wholly_there_or_not_at_all_after_a_crash(
    database: Database, trouble: Trouble
) -> None:
    async with running_engine(database) as engine:
        await engine.together([asks.create(0)])
        trouble.loses_commits = True
        await engine.faults([asks.claim_next(1), *(asks.create(n) for n in range(1, 7))])
        with database.after_crash() as found:
            tasks, claimed = found.fetch("select count(*), sum(attempt_count) from tasks")[0]
            assert (tasks, claimed) in {(1, 0), (7, 1)}
        trouble.heal()


async def test_leases_are_counted_anew_after_a_commit_of_unknown_fate(
    database: Database, trouble: Trouble
) -> None:
    """What the store remembers of live leases must not fall behind what may be in the file."""
    async with running_engine(database) as engine:
        await engine.together(asks.create(number) for number in range(4))
        await engine.together([asks.claim_next(1)])
        trouble.loses_commits = True
        await engine.faults([asks.claim_next(2)])
        trouble.heal()

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


async def test_a_writer_goes_on_after_every_fault(engine: Engine, trouble: Trouble) -> None:
    await engine.together([asks.create(0)])
    await engine.faults([asks.create(0)])
    trouble.full = True
    await engine.faults([asks.create(1)])
    trouble.full = False

    outcomes = await engine.together([asks.claim_next(1), asks.claim_next(2)])

    assert [type(outcome) for outcome in outcomes] == [Held, NoTask]


async def test_who_is_told_of_commits_and_breaks_hurts_nobody_else(engine: Engine) -> None:
    told: list[int] = []

    def break_down(view: View) -> None:
        raise ZeroDivisionError(view)

    engine.writer.listeners += [break_down, lambda view: told.append(len(view.new_tasks))]

    outcomes = await engine.together([asks.create(1), asks.create(2)])
    refused = await engine.together([asks.complete(a_task_id(9))])

    assert kinds([*outcomes, *refused]) == [Changed, Changed, Rejection]
    assert told == [2, 0]
    assert [event for event, _, _ in engine.observer.faults] == ["listener_failed"] * 2


async def test_a_caller_that_left_is_not_told_of_a_fault(engine: Engine, trouble: Trouble) -> None:
    trouble.full = True
    leaving = asyncio.create_task(engine.writer.submit(asks.create(1)))
    engine.watched.on_fault = leaving.cancel

    staying = await engine.faults([asks.create(2)])

    assert leaving.cancelled()
    assert kinds(staying) == [Unavailable]
    trouble.full = False
