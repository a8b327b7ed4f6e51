"""However tasks were changed, their numbers are those that counting them would give."""

from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest
from msgspec.structs import replace

from orchestrion.core.commands import Command, PurgeCounts, PurgeFinished, PurgeMinutes
from orchestrion.core.ids import TaskId
from orchestrion.core.instants import Instant
from orchestrion.core.limits import TASK_MINUTES_SECONDS
from orchestrion.core.outcomes import Held, Swept
from orchestrion.core.plans import SELF_HOSTED, Catalogue
from orchestrion.core.stats import Counts, Happened
from orchestrion.core.tally import ALL_TYPES, minute_of
from orchestrion.core.task import ENDED, Status, Task
from tests.databases import KINDS, Database, Databases, add_accounts, add_tasks, count_tasks
from tests.engine.engines import Engine, EngineOptions, running_engine
from tests.factories import (
    ACCOUNT,
    ACCOUNT_ID,
    NOW,
    OTHER_ACCOUNT_ID,
    a_plan,
    a_task,
    a_task_id,
    an_account,
    expect,
)
from tests.unit import asks
from tests.unit.mixtures import some_commands, some_tasks

WAVES = 5
SLOW_SEEDS = [pytest.param(seed, marks=pytest.mark.slow) for seed in range(5, 40)]
STATES = tuple(Status)
KEPT = f"select account_id, type, {', '.join(Counts.__struct_fields__)} from task_counts"
HAPPENED = f"select account_id, type, {', '.join(Happened.__struct_fields__)} from task_minutes"
# What ended is past its time at once, and counts of quotas stand in nobody's way.
FORGETFUL = Catalogue(
    plans={
        "free": replace(
            a_plan(claims_per_hour=10**6, creates_per_hour=10**6, tasks_per_cycle=10**6),
            retention_days=0,
        )
    }
)
Numbers = dict[tuple[str, str], tuple[int, ...]]


def counted(database: Database) -> Numbers:
    """Count the tasks themselves."""
    found: Counter[tuple[str, str, str]] = Counter()
    for account_id, type_, status in database.fetch("select account_id, type, status from tasks"):
        for one in (type_, ALL_TYPES):
            found[account_id, one, status] += 1
    keys = {(account_id, type_) for account_id, type_, _ in found}
    return {key: tuple(found[(*key, state)] for state in STATES) for key in keys}


def kept(database: Database, *, idle: bool = False) -> Numbers:
    """Read the counts that are kept; of types that have no task only where they are wanted."""
    rows = {(row[0], row[1]): tuple(row[2:]) for row in database.fetch(KEPT)}
    return {key: numbers for key, numbers in rows.items() if idle or any(numbers)}


def happened(database: Database) -> Happened:
    """Add up all minutes of all accounts."""
    rows = [tuple(row)[2:] for row in database.fetch(HAPPENED) if row[1] == ALL_TYPES]
    of_types = [tuple(row)[2:] for row in database.fetch(HAPPENED) if row[1] != ALL_TYPES]
    sums = [tuple(map(sum, zip(*some, strict=True))) for some in (rows, of_types)]
    assert sums[0] == sums[1]
    return Happened(*(sums[0] or (0,) * len(Happened.__struct_fields__)))


def purges(random: Random, database: Database) -> Iterator[Command]:
    """Purge some of what ended, and whatever types have become idle."""
    ended = database.fetch("select account_id, id, status, type from tasks order by id")
    drawn = [row for row in ended if row[2] in ENDED and random.random() < 0.5]
    for account_id in (ACCOUNT_ID, OTHER_ACCOUNT_ID):
        ids = tuple(TaskId(row[1]) for row in drawn if row[0] == account_id)
        yield PurgeFinished(account_id=account_id, task_ids=ids)
        yield PurgeCounts(account_id=account_id, types=(ALL_TYPES, "report", "mail"))


def undone(random: Random, outcomes: list[object]) -> Iterator[Command]:
    """Take back some of what was handed out, as for callers that left."""
    for outcome in outcomes:
        if isinstance(outcome, Held) and random.random() < 0.2:
            task, token = outcome.task, outcome.task.lease_token
            assert token is not None
            yield asks.undo(task.id, token, account_id=task.account_id)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [*range(5), *SLOW_SEEDS])
async def test_counts_are_those_of_the_tasks(kind: str, seed: int, databases: Databases) -> None:
    random = Random(seed)
    with databases.fresh(kind) as database:
        database.clock.set(NOW)
        tasks = some_tasks(random)
        add_accounts(database, ACCOUNT, an_account(id=OTHER_ACCOUNT_ID))
        add_tasks(database, tasks)
        count_tasks(database)
        assert kept(database) == counted(database)
        catalogue = FORGETFUL if seed % 2 else SELF_HOSTED
        async with running_engine(database, EngineOptions(catalogue=catalogue)) as engine:
            for _ in range(WAVES):
                commands = some_commands(random, tasks) + list(purges(random, database))
                outcomes = await engine.faults(commands)
                assert kept(database) == counted(database)
                await engine.together(undone(random, list(outcomes)))
                assert kept(database) == counted(database)
                engine.clock.advance(random.choice([0, 1, 60, 400]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [*range(5), *SLOW_SEEDS])
async def test_what_happened_is_what_became_of_the_tasks(
    kind: str, seed: int, databases: Databases
) -> None:
    random = Random(seed)
    with databases.fresh(kind) as database:
        database.clock.set(NOW)
        tasks = some_tasks(random)
        add_accounts(database, ACCOUNT, an_account(id=OTHER_ACCOUNT_ID))
        add_tasks(database, tasks)
        async with running_engine(database) as engine:
            for _ in range(WAVES):
                await engine.faults(some_commands(random, tasks))
                engine.clock.advance(random.choice([0, 1, 60, 400]))
        found, after = happened(database), totals(database)
        before = Counter(task.status for task in tasks)

        assert found.created == sum(after.values()) - len(tasks)
        assert found.completed == after[Status.COMPLETED] - before[Status.COMPLETED]
        assert found.cancelled == after[Status.CANCELLED] - before[Status.CANCELLED]


def totals(database: Database) -> Counter[Status]:
    return Counter(Status(row[0]) for row in database.fetch("select status from tasks"))


# --- what is forgotten


async def test_a_type_without_tasks_is_forgotten_and_one_with_tasks_is_not(engine: Engine) -> None:
    await engine.together([asks.create(1), asks.create(2, type="mail")])
    database = engine.database
    database.execute("update task_counts set pending = 0 where type = 'mail'")

    await engine.together([PurgeCounts(account_id=ACCOUNT_ID, types=("report", "mail"))])

    assert kept(database, idle=True) == {
        (ACCOUNT_ID, ALL_TYPES): (2, 0, 0, 0, 0),
        (ACCOUNT_ID, "report"): (1, 0, 0, 0, 0),
    }


async def test_a_type_that_gets_a_task_in_the_same_batch_is_counted_on(engine: Engine) -> None:
    await engine.together([asks.create(1)])
    engine.database.execute("update task_counts set pending = 0")

    await engine.together(
        [PurgeCounts(account_id=ACCOUNT_ID, types=("report", "")), asks.create(2)]
    )

    assert set(kept(engine.database).values()) == {(1, 0, 0, 0, 0)}


async def test_minutes_that_are_old_enough_are_forgotten(engine: Engine) -> None:
    await engine.together([asks.create(1)])
    begun = minute_of(engine.clock.now())
    purge = PurgeMinutes(account_id=ACCOUNT_ID, minutes=(("", begun), ("report", begun)))
    engine.clock.set(Instant(begun + TASK_MINUTES_SECONDS * 1_000 - 1))
    (early,) = await engine.together([purge])
    engine.clock.advance(0.001)
    await engine.together([asks.create(2)])

    assert await engine.reader.minutes_before(begun, 10) == [
        (ACCOUNT_ID, ("", begun)),
        (ACCOUNT_ID, ("report", begun)),
    ]
    (late,) = await engine.together([purge])

    assert (expect(Swept, early).count, expect(Swept, late).count) == (0, 2)
    left = {row[0] for row in engine.database.fetch("select minute_at from task_minutes")}
    assert left == {minute_of(engine.clock.now())}


async def test_no_more_types_are_read_than_asked_for(engine: Engine) -> None:
    await engine.together([asks.create(number, type=f"t{number}") for number in range(5)])

    standing = await engine.reader.task_counts(ACCOUNT_ID, 3)
    nobody = await engine.reader.task_counts(OTHER_ACCOUNT_ID, 3)

    assert standing.by_type == {"": Counts(pending=5), "t0": Counts(1), "t1": Counts(1)}
    assert (nobody.by_type, nobody.oldest_pending_at) == ({}, None)


async def test_the_oldest_task_that_waits_is_the_first_that_was_created(engine: Engine) -> None:
    def waiting(number: int, created_at: int, status: Status = Status.PENDING) -> Task:
        return a_task(status, id=a_task_id(number), created_at=created_at, type=f"t{number}")

    add_tasks(
        engine.database,
        [waiting(1, 1, Status.COMPLETED), waiting(2, 2), waiting(3, 3), waiting(4, 4)],
    )

    assert (await engine.reader.task_counts(ACCOUNT_ID, 3)).oldest_pending_at == 2
