"""Several commands of one request in the running writer: one entry, one transaction, one fate."""

import asyncio
from collections.abc import Iterable

import pytest
from msgspec.structs import replace

from orchestrion.core.commands import (
    CompleteTask,
    CreateTask,
    FinishAndClaim,
    Heartbeat,
    Together,
)
from orchestrion.core.errors import ErrorCode
from orchestrion.core.faults import Poison
from orchestrion.core.instants import SECOND, Instant
from orchestrion.core.outcomes import Again, Changed, Held, NoTask, Rejection, Replayed, Several
from orchestrion.core.task import Status
from orchestrion.engine.overload import QueueLimits
from tests.databases import Database, add_tasks
from tests.engine.engines import Engine, EngineOptions, running_engine
from tests.factories import ACCOUNT_ID, TOKEN, a_task, a_task_id, ago, expect
from tests.unit import asks


def together(*commands: CreateTask | CompleteTask | Heartbeat) -> Together:
    return Together(account_id=ACCOUNT_ID, commands=commands)


def creates(numbers: Iterable[int], **changes: object) -> Together:
    return together(*(asks.create(number, **changes) for number in numbers))


async def test_a_batch_is_one_transaction(engine: Engine) -> None:
    (outcome,) = await engine.together([creates(range(100))])

    assert all(isinstance(one, Changed) for one in expect(Several, outcome).outcomes)
    assert engine.store.commits == 1
    assert [batch.commands for batch in engine.observer.batches] == [100]


async def test_commits_are_filled_by_weight(engine: Engine) -> None:
    batches = [creates(range(100 * n, 100 * n + 100)) for n in range(5)]

    outcomes = await engine.together([*batches, asks.create(900), asks.create(901)])

    assert [batch.commands for batch in engine.observer.batches] == [200, 200, 102]
    assert [type(outcome) for outcome in outcomes] == [Several] * 5 + [Changed] * 2


async def test_a_batch_heavier_than_a_commit_is_committed_alone(database: Database) -> None:
    options = EngineOptions(queue=QueueLimits(batch_max=10))
    async with running_engine(database, options) as engine:
        await engine.together([asks.create(900), creates(range(50)), asks.create(901)])

        assert [batch.commands for batch in engine.observer.batches] == [1, 50, 1]


async def test_the_queue_is_as_long_as_what_waits_in_it_weighs(engine: Engine) -> None:
    engine.watched.go_on.clear()
    first = asyncio.create_task(engine.writer.submit(asks.create(900)))
    await engine.watched.committed.wait()
    waiting = [
        asyncio.create_task(engine.writer.submit(creates(range(n * 10, n * 10 + 10))))
        for n in range(3)
    ]
    await asyncio.sleep(0)

    assert engine.writer.depth == 30
    waiting[0].cancel()
    engine.watched.go_on.set()
    await asyncio.gather(first, *waiting[1:])
    assert engine.writer.depth == 0
    assert [batch.commands for batch in engine.observer.batches] == [1, 20]


async def test_a_batch_that_breaks_fails_alone_and_as_a_whole(engine: Engine) -> None:
    await engine.together([asks.create(7)])
    broken = creates(range(5, 10))

    outcomes = await engine.faults([creates(range(20, 25)), asks.create(1), broken, asks.create(2)])

    assert [type(outcome) for outcome in outcomes] == [Several, Changed, Poison, Changed]
    assert engine.count("select count(*) from tasks") == 1 + 5 + 2


async def test_a_value_no_database_holds_breaks_only_its_batch(engine: Engine) -> None:
    bad = together(asks.create(1), replace(asks.create(2), priority=2**63))

    outcomes = await engine.faults([bad, creates([3, 4])])

    assert [type(outcome) for outcome in outcomes] == [Poison, Several]
    assert engine.count("select count(*) from tasks") == 2


async def test_keys_within_a_batch_are_seen_while_it_is_committed(engine: Engine) -> None:
    keyed = asks.create(1, idempotency_key="k", request_digest=b"1")
    engine.watched.go_on.clear()
    first = asyncio.create_task(engine.writer.submit(together(asks.create(2), keyed)))
    await engine.watched.committed.wait()

    alone = await engine.writer.submit(replace(keyed, task_id=a_task_id(3)))
    within = await engine.writer.submit(together(replace(keyed, task_id=a_task_id(4))))
    other = engine.writer.in_flight(asks.create(5, idempotency_key="other"))
    engine.watched.go_on.set()
    await first

    for refused in (alone, within):
        assert expect(Rejection, refused).code is ErrorCode.IDEMPOTENCY_IN_FLIGHT
    assert other is None
    (repeated,) = await engine.together([together(replace(keyed, task_id=a_task_id(6)))])
    assert [type(one) for one in expect(Several, repeated).outcomes] == [Replayed]


@pytest.mark.parametrize(
    ("command", "share"),
    [
        (creates([1, 2]), 0.5),
        (asks.claim_next(1, more=(asks.a_token(2),)), 0.75),
        (together(asks.complete(a_task_id(1)), asks.complete(a_task_id(2))), 1.0),
        (together(asks.heartbeat(a_task_id(1))), 1.0),
        (
            FinishAndClaim(
                account_id=ACCOUNT_ID, finish=asks.complete(a_task_id(1)), claim=asks.claim_next(1)
            ),
            1.0,
        ),
    ],
    ids=["creates", "claims", "completes", "heartbeats", "an end and a claim"],
)
async def test_a_batch_is_shed_as_its_kind(
    command: Together, share: float, database: Database
) -> None:
    options = EngineOptions(queue=QueueLimits(queue_max=20))
    async with running_engine(database, options) as engine:
        engine.watched.go_on.clear()
        callers = [asyncio.create_task(engine.writer.submit(asks.create(900)))]
        await engine.watched.committed.wait()
        while engine.writer.depth < 20 * share - 1:
            callers.append(asyncio.create_task(engine.writer.submit(asks.heartbeat(a_task_id(1)))))
            await asyncio.sleep(0)

        callers.append(asyncio.create_task(engine.writer.submit(command)))
        await asyncio.sleep(0)
        assert engine.writer.depth >= 20 * share
        refused = expect(Rejection, await engine.writer.submit(command))
        engine.watched.go_on.set()
        await asyncio.gather(*callers)

    assert (refused.code, refused.status) == (ErrorCode.SERVER_ERROR, 503)


async def test_a_claim_behind_an_end_may_have_to_look_once_more(database: Database) -> None:
    dying = [
        a_task(Status.CLAIMED, id=a_task_id(number), attempt_count=3, lease_expires_at=ago(9))
        for number in range(60)
    ]
    held = a_task(
        Status.CLAIMED,
        id=a_task_id(90),
        type="other",
        lease_expires_at=Instant(database.clock.now() + SECOND),
    )
    waiting = a_task(id=a_task_id(91))
    async with running_engine(database) as engine:
        add_tasks(database, [*dying, held, waiting])
        claim = asks.claim_next(1)
        command = FinishAndClaim(
            account_id=ACCOUNT_ID, finish=asks.complete(held.id, TOKEN), claim=claim
        )

        finished, claimed = expect(Several, await engine.writer.submit(command)).outcomes

        assert expect(Changed, finished).task.status is Status.COMPLETED
        expect(Again, claimed)
        assert expect(Held, await engine.writer.submit(claim)).task.id == waiting.id
        expect(NoTask, await engine.writer.submit(asks.claim_next(2)))
