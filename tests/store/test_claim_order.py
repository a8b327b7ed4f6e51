"""Claims come by priority, then by what was due first, then by id, and by bytes, everywhere."""

from random import Random

import pytest

from orchestrion.core.commands import Command
from orchestrion.core.ids import AccountId, TaskId
from orchestrion.core.instants import SECOND, Instant
from orchestrion.core.limits import PRIORITY_MAX
from orchestrion.core.outcomes import Changed, Held, NoTask, Outcome, Rejection
from orchestrion.core.task import Task
from tests.databases import add_accounts, add_tasks
from tests.engine.engines import Engine
from tests.factories import a_task, a_task_id, an_account
from tests.unit import asks

# Sorted by bytes; a locale would mix capitals, hyphens and underscores in.
TYPES = ("A-b", "A_b", "Ab", "a-b", "a_b", "ab", "ab-", "ab0", "z", "Z9")


def some_tasks(now: Instant, count: int) -> list[Task]:
    """Make tasks of many priorities and due times, some of them not due yet."""
    random = Random(7)
    return [
        a_task(
            id=a_task_id(number),
            priority=random.randrange(PRIORITY_MAX + 1),
            created_at=Instant(now - random.randrange(4) * SECOND),
            scheduled_at=random.choice([None, None, now, Instant(now - 1), Instant(now + 1)]),
        )
        for number in random.sample(range(10_000), count)
    ]


def held(outcomes: list[Outcome]) -> list[TaskId]:
    return [outcome.task.id for outcome in outcomes if isinstance(outcome, Held)]


@pytest.mark.parametrize("batch", [1, 7, 300])
async def test_many_priorities_and_due_times_are_claimed_in_order(
    batch: int, engine: Engine
) -> None:
    tasks = some_tasks(engine.clock.now(), 300)
    add_tasks(engine.database, tasks)
    claims = [asks.claim_next(number) for number in range(300)]

    got: list[TaskId] = []
    for first in range(0, len(claims), batch):
        got += held(await engine.together(claims[first : first + batch]))

    due = [task for task in tasks if task.due(engine.clock.now())]
    assert got == [task.id for task in sorted(due, key=lambda task: task.claim_order)]
    assert len(got) < len(tasks)


async def test_what_becomes_due_later_takes_its_place_by_priority(engine: Engine) -> None:
    now = engine.clock.now()
    soon = Instant(now + SECOND)
    waiting = a_task(id=a_task_id(1), priority=100, scheduled_at=soon, created_at=now)
    add_tasks(engine.database, [waiting, a_task(id=a_task_id(2), priority=1)])

    first = held(await engine.together([asks.claim_next(1)]))
    add_tasks(engine.database, [a_task(id=a_task_id(3), priority=99)])
    engine.clock.advance(1)
    second = held(await engine.together([asks.claim_next(2), asks.claim_next(3)]))

    assert (first, second) == ([a_task_id(2)], [a_task_id(1), a_task_id(3)])


async def test_equals_are_claimed_by_id_and_ids_by_their_bytes(engine: Engine) -> None:
    numbers = Random(3).sample(range(2**60, 2**60 + 10**6), 100)
    tasks = [a_task(id=a_task_id(number)) for number in numbers]
    add_tasks(engine.database, tasks)

    got = held(await engine.together(asks.claim_next(number) for number in range(100)))

    assert got == sorted(task.id for task in tasks)


async def test_types_that_differ_in_case_or_sign_are_different_types(engine: Engine) -> None:
    creates: list[Command] = [asks.create(n, type=type_) for n, type_ in enumerate(TYPES)]
    await engine.together(creates)

    for number, type_ in enumerate(TYPES):
        outcomes = await engine.together(
            [asks.claim_next(number, types=(type_,)), asks.claim_next(100 + number, types=(type_,))]
        )
        assert [type(outcome) for outcome in outcomes] == [Held, NoTask]
        assert held(outcomes) == [a_task_id(number)]


async def test_accounts_and_types_in_one_batch_do_not_mix(engine: Engine) -> None:
    accounts = [AccountId(f"acct_{name}") for name in ("B", "a", "-", "_", "aa")]
    add_accounts(engine.database, *(an_account(id=one) for one in accounts))
    names = [(one, type_) for one in accounts for type_ in TYPES]
    creates: list[Command] = [
        asks.create(number, account_id=one, type=type_) for number, (one, type_) in enumerate(names)
    ]
    claims: list[Command] = [
        asks.claim_next(number, account_id=one, types=(type_,))
        for number, (one, type_) in enumerate(names)
    ]

    outcomes = await engine.together([*creates, *claims, *claims])

    assert all(isinstance(outcome, Changed) for outcome in outcomes[: len(names)])
    assert held(outcomes) == [a_task_id(number) for number, _ in enumerate(names)]
    assert all(isinstance(outcome, NoTask) for outcome in outcomes[2 * len(names) :])


async def test_claims_by_name_and_by_type_in_one_batch_share_no_task(engine: Engine) -> None:
    await engine.together(asks.create(number) for number in range(40))
    by_name: list[Command] = [asks.claim_task(a_task_id(n), 100 + n) for n in range(0, 40, 2)]
    by_type: list[Command] = [asks.claim_next(200 + n) for n in range(25)]

    outcomes = await engine.together([*by_type[:5], *by_name, *by_type[5:]])

    got = held(outcomes)
    assert len(got) == len(set(got)) == 40
    refused = [type(one) for one in outcomes if not isinstance(one, Held)]
    assert refused == [Rejection] * 3 + [NoTask] * 2
