import asyncio

import pytest

from orchestrion.core.errors import ErrorCode
from orchestrion.core.outcomes import Changed, Held, NoTask, Outcome, Rejection, Replayed
from orchestrion.core.task import Status, Task
from orchestrion.engine import writer
from orchestrion.engine.overload import QueueLimits
from tests.databases import Database, add_tasks
from tests.engine.engines import PATIENCE_SECONDS, Engine, EngineOptions, running_engine
from tests.factories import a_task, a_task_id, ago, expect
from tests.unit import asks


def held_tasks(outcomes: list[Outcome]) -> list[Task]:
    return [outcome.task for outcome in outcomes if isinstance(outcome, Held)]


# --- one transaction per wave


async def test_each_wave_of_concurrent_commands_takes_one_transaction(engine: Engine) -> None:
    creates = [asks.create(number, priority=number % 7) for number in range(200)]
    claims = [asks.claim_next(number) for number in range(250)]

    created = await engine.together(creates)
    after_creates = engine.store.commits
    claimed = await engine.together(claims)
    after_claims = engine.store.commits
    held = held_tasks(claimed)
    completes = [asks.complete(task.id, task.lease_token) for task in held]
    completed = await engine.together([*completes, *completes[:11]])
    after_completes = engine.store.commits

    assert all(isinstance(outcome, Changed) for outcome in created)
    assert (after_creates, after_claims, after_completes) == (1, 2, 3)
    assert [batch.commands for batch in engine.observer.batches] == [200, 250, 211]
    assert [type(outcome) for outcome in claimed[200:]] == [NoTask] * 50
    assert all(isinstance(outcome, Changed) for outcome in completed[:200])
    assert [expect(Changed, outcome).task for outcome in completed[200:]] == [
        expect(Changed, outcome).task for outcome in completed[:11]
    ]


async def test_every_claim_of_a_wave_gets_a_task_of_its_own_in_order(engine: Engine) -> None:
    await engine.together(asks.create(number, priority=number % 7) for number in range(200))

    held = held_tasks(await engine.together(asks.claim_next(number) for number in range(200)))

    order = sorted(range(200), key=lambda number: (-(number % 7), number))
    assert [task.id for task in held] == [a_task_id(number) for number in order]
    assert [task.lease_token for task in held] == [asks.a_token(number) for number in range(200)]


async def test_commands_of_one_wave_see_each_other(engine: Engine) -> None:
    first, token = a_task_id(1), asks.a_token(1)

    outcomes = await engine.together(
        [asks.create(1), asks.claim_next(1), asks.complete(first, token), asks.cancel(first)]
    )

    assert engine.store.commits == 1
    assert [type(outcome) for outcome in outcomes] == [Changed, Held, Changed, Rejection]


async def test_a_batch_has_an_upper_bound(database: Database) -> None:
    options = EngineOptions(queue=QueueLimits(batch_max=10))
    async with running_engine(database, options) as engine:
        await engine.together(asks.create(number) for number in range(25))

        assert [batch.commands for batch in engine.observer.batches] == [10, 10, 5]
        assert engine.store.commits == 3


async def test_refusals_and_empty_claims_commit_nothing(engine: Engine) -> None:
    outcomes = await engine.together([asks.claim_next(1), asks.complete(a_task_id(1))])

    assert [type(outcome) for outcome in outcomes] == [NoTask, Rejection]
    assert engine.store.commits == 0


async def test_what_arrives_during_a_commit_makes_the_next_batch(engine: Engine) -> None:
    engine.watched.go_on.clear()
    first = asyncio.create_task(engine.writer.submit(asks.create(1)))
    await engine.watched.committed.wait()

    later = [asyncio.create_task(engine.writer.submit(asks.create(n))) for n in range(2, 9)]
    await asyncio.sleep(0)

    assert engine.writer.depth == 7
    engine.watched.go_on.set()
    await asyncio.gather(first, *later)
    assert [batch.commands for batch in engine.observer.batches] == [1, 7]


# --- answer after the commit


async def test_nobody_is_answered_before_the_commit_returns(engine: Engine) -> None:
    """A lease is a promise: it must be on disk when its holder hears of it."""
    engine.watched.go_on.clear()
    callers = [asyncio.create_task(engine.writer.submit(asks.create(n))) for n in range(5)]

    await engine.watched.committed.wait()
    for _ in range(10):
        await asyncio.sleep(0)

    assert not any(caller.done() for caller in callers)
    assert engine.count("select count(*) from tasks") == 5
    engine.watched.go_on.set()
    assert all(isinstance(outcome, Changed) for outcome in await asyncio.gather(*callers))


# --- callers that leave


async def test_a_caller_that_left_while_waiting_takes_its_command_along(engine: Engine) -> None:
    engine.watched.go_on.clear()
    first = asyncio.create_task(engine.writer.submit(asks.create(1)))
    await engine.watched.committed.wait()
    leaving = asyncio.create_task(engine.writer.submit(asks.create(2)))
    staying = asyncio.create_task(engine.writer.submit(asks.create(3)))
    await asyncio.sleep(0)

    leaving.cancel()
    await asyncio.sleep(0)
    engine.watched.go_on.set()
    await asyncio.gather(first, staying)

    assert [batch.commands for batch in engine.observer.batches] == [1, 1]
    assert engine.count("select count(*) from tasks") == 2


async def test_a_caller_that_leaves_during_a_commit_disturbs_nobody(engine: Engine) -> None:
    engine.watched.go_on.clear()
    leaving = asyncio.create_task(engine.writer.submit(asks.create(1)))
    staying = asyncio.create_task(engine.writer.submit(asks.create(2)))
    await engine.watched.committed.wait()

    leaving.cancel()
    await asyncio.sleep(0)
    engine.watched.go_on.set()

    assert isinstance(await staying, Changed)
    assert leaving.cancelled()
    assert engine.count("select count(*) from tasks") == 2


async def test_a_batch_whose_callers_all_left_is_not_committed(engine: Engine) -> None:
    engine.watched.go_on.clear()
    first = asyncio.create_task(engine.writer.submit(asks.create(1)))
    await engine.watched.committed.wait()
    leaving = [asyncio.create_task(engine.writer.submit(asks.create(n))) for n in (2, 3)]
    await asyncio.sleep(0)

    for caller in leaving:
        caller.cancel()
    await asyncio.sleep(0)
    engine.watched.go_on.set()
    await first
    await engine.together([asks.create(4)])

    assert engine.watched.calls == 2
    assert engine.count("select count(*) from tasks") == 2


# --- idempotency keys in flight


async def test_a_repeat_during_the_first_commit_is_told_to_come_back(engine: Engine) -> None:
    create = asks.create(1, idempotency_key="once", request_digest=b"same")
    engine.watched.go_on.clear()
    first = asyncio.create_task(engine.writer.submit(create))
    await engine.watched.committed.wait()

    repeat = await engine.writer.submit(asks.create(2, idempotency_key="once"))
    other = asyncio.create_task(engine.writer.submit(asks.create(3, idempotency_key="other")))

    assert expect(Rejection, repeat).code is ErrorCode.IDEMPOTENCY_IN_FLIGHT
    assert expect(Rejection, repeat).wait_seconds == 2
    engine.watched.go_on.set()
    assert isinstance(await first, Changed)
    assert isinstance(await other, Changed)
    again = await engine.writer.submit(
        asks.create(4, idempotency_key="once", request_digest=b"same")
    )
    assert expect(Replayed, again).first.id == a_task_id(1)
    assert engine.count("select count(*) from tasks") == 2


async def test_a_repeat_right_after_the_commit_is_a_replay(engine: Engine) -> None:
    create = asks.create(1, idempotency_key="once", request_digest=b"same")
    await engine.writer.submit(create)

    repeat = await engine.writer.submit(create)

    assert expect(Replayed, repeat).first.id == a_task_id(1)


async def test_repeats_in_one_batch_make_one_task(engine: Engine) -> None:
    creates = [
        asks.create(number, idempotency_key="once", request_digest=b"same") for number in range(9)
    ]

    outcomes = await engine.together(creates)

    assert [type(outcome) for outcome in outcomes] == [Changed, *[Replayed] * 8]
    assert engine.count("select count(*) from tasks") == 1


# --- claims that must look again


def add_overdue(engine: Engine, numbers: range, **changes: object) -> None:
    held = (
        a_task(Status.CLAIMED, id=a_task_id(n), lease_expires_at=ago(1), priority=9, **changes)
        for n in numbers
    )
    add_tasks(engine.database, held)


@pytest.mark.parametrize("dead", [31, 33, 2_000, 5_000])
async def test_a_claim_looks_past_any_number_of_overdue_tasks_that_die(
    engine: Engine, dead: int
) -> None:
    """Leases that end together must not make a claim say that nothing is there."""
    add_overdue(engine, range(dead), attempt_count=3)
    await engine.together([asks.create(dead)])

    outcome = (await engine.together([asks.claim_next(1)]))[0]

    assert expect(Held, outcome).task.id == a_task_id(dead)
    assert engine.count("select count(*) from tasks where status = 'dead_letter'") == dead


async def test_a_claim_finds_the_one_overdue_task_that_lives_behind_those_that_die(
    engine: Engine,
) -> None:
    add_overdue(engine, range(500), attempt_count=3)
    add_overdue(engine, range(500, 501), attempt_count=1)
    await engine.together([asks.create(501)])

    first, second = await engine.together([asks.claim_next(1), asks.claim_next(2)])

    assert expect(Held, first).task.id == a_task_id(500)
    assert expect(Held, second).task.id == a_task_id(501)


async def test_a_claim_that_must_look_again_is_served_before_those_that_came_later(
    engine: Engine,
) -> None:
    add_overdue(engine, range(100), attempt_count=3)
    await engine.together([asks.create(100)])
    engine.watched.committed.clear()
    engine.watched.go_on.clear()
    first = asyncio.create_task(engine.writer.submit(asks.claim_next(1)))
    await engine.watched.committed.wait()

    later = asyncio.create_task(engine.writer.submit(asks.claim_next(2)))
    await asyncio.sleep(0)
    engine.watched.go_on.set()

    assert isinstance(await first, Held)
    assert isinstance(await later, NoTask)


async def test_claims_that_must_look_again_hold_up_nobody_for_long(engine: Engine) -> None:
    add_overdue(engine, range(2_000), attempt_count=3)
    claim = asyncio.create_task(engine.writer.submit(asks.claim_next(1)))
    await engine.watched.committed.wait()

    created = await engine.writer.submit(asks.create(2_000))

    assert isinstance(created, Changed)
    assert not claim.done()
    assert isinstance(await claim, NoTask | Held)


async def test_a_claim_that_looked_too_often_is_told_that_nothing_is_there(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "AGAIN_MAX", 1)
    add_overdue(engine, range(1_000), attempt_count=3)
    await engine.together([asks.create(1_000)])

    outcomes = [(await engine.together([asks.claim_next(n)]))[0] for n in range(2)]

    assert [type(one) for one in outcomes] == [NoTask, Held]
    assert engine.watched.calls == 1 + 2 * 2


# --- stopping


async def test_a_stop_commits_what_was_accepted_and_refuses_the_rest(engine: Engine) -> None:
    engine.watched.go_on.clear()
    accepted = [asyncio.create_task(engine.writer.submit(asks.create(n))) for n in range(3)]
    await engine.watched.committed.wait()
    accepted += [asyncio.create_task(engine.writer.submit(asks.create(n))) for n in range(3, 9)]
    await asyncio.sleep(0)

    engine.writer.stop()
    late = await engine.writer.submit(asks.create(9))
    assert not engine.running.done()
    engine.watched.go_on.set()

    outcomes = await asyncio.gather(*accepted)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await engine.running
    assert all(isinstance(outcome, Changed) for outcome in outcomes)
    assert engine.count("select count(*) from tasks") == 9
    refused = expect(Rejection, late)
    assert (refused.code, refused.status) == (ErrorCode.SERVER_ERROR, 503)
    assert refused.wait_seconds > 0


async def test_an_idle_writer_stops_at_once(engine: Engine) -> None:
    await asyncio.sleep(0)

    engine.writer.stop()

    async with asyncio.timeout(PATIENCE_SECONDS):
        await engine.running
    assert engine.watched.calls == 0
