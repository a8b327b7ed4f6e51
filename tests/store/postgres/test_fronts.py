"""Where claims begin to look: never past a task that should be next, far past what is done."""

import asyncio
from collections.abc import AsyncIterator
from random import Random
from typing import TypeAlias

import asyncpg
import msgspec
import pytest

from orchestrion.core.commands import Command
from orchestrion.core.ids import TaskId
from orchestrion.core.instants import Instant
from orchestrion.core.outcomes import Held, NoTask, Outcome, Rejection
from orchestrion.core.task import Task
from orchestrion.store.postgres.fronts import WHOLE_LOOK_SECONDS
from tests.databases import Databases, PostgresDatabase, add_tasks, count
from tests.engine.engines import Engine, running_engine
from tests.factories import a_task, a_task_id
from tests.unit import asks

Session: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
PATIENCE_SECONDS = 20.0
LIVES = 2_000
CLAIMS = 20
# Beside the looks at everything, of which there is one every few seconds.
ROWS_READ_MAX = 100
FIRST = """
select id from tasks
where type = 'report' and (
  status = 'pending' and due_at <= $1 or status = 'claimed' and lease_expires_at <= $1
)
order by priority desc, due_at, id limit 1
"""
OVERDUE = "select count(*) from tasks where status = 'claimed' and lease_expires_at <= $1"
READ = """
select sum(idx_tup_read)::bigint from pg_stat_user_indexes
where indexrelname in ('tasks_claimable', 'tasks_returned')
"""
OTHERS = """
select count(*) from pg_stat_activity
where datname = current_database() and pid not in (pg_backend_pid(), $1)
"""
PRIORITIES = (0, 1, 5, 50, 100)


class Servers(msgspec.Struct, frozen=True):
    """Two servers on one database."""

    database: PostgresDatabase
    one: Engine
    other: Engine


@pytest.fixture
async def servers(databases: Databases) -> AsyncIterator[Servers]:
    with databases.postgres.lent() as database:
        async with running_engine(database) as one, running_engine(database) as other:
            yield Servers(database, one, other)


async def done(engine: Engine, command: Command) -> Outcome:
    (outcome,) = await engine.together([command])
    assert not isinstance(outcome, Rejection), outcome
    return outcome


async def claimed(engine: Engine) -> TaskId | None:
    outcome = await done(engine, asks.claim_next())
    assert isinstance(outcome, Held | NoTask)
    return outcome.task.id if isinstance(outcome, Held) else None


def first_of(database: PostgresDatabase) -> TaskId | None:
    found = database.fetch(FIRST, database.clock.now())
    return TaskId(found[0][0]) if found else None


@pytest.mark.parametrize("seed", range(6))
async def test_two_servers_claim_what_is_first_whatever_came_back_meanwhile(
    servers: Servers, seed: int
) -> None:
    """Creates of any priority, some for later; fails, expired leases, requeues and cancels."""
    random, database = Random(seed), servers.database
    number = 0
    claims = 0
    for _ in range(400):
        engine = random.choice((servers.one, servers.other))
        now = database.clock.now()
        held = [one for (one,) in database.fetch("select id from tasks where status = 'claimed'")]
        dead = [
            one for (one,) in database.fetch("select id from tasks where status = 'dead_letter'")
        ]
        match random.randrange(8):
            case 0 | 1 | 2:
                number += 1
                later = random.choice((None, None, Instant(now + random.randrange(1, 9_000))))
                command = asks.create(
                    number, priority=random.choice(PRIORITIES), scheduled_at=later, max_attempts=2
                )
                await done(engine, command)
            case 3 | 4 | 5:
                expected = first_of(database)
                overdue = count(database, OVERDUE, now)
                got = await claimed(engine)
                # An overdue lease may end in the dead letters instead.
                if not overdue:
                    assert got == expected
                    claims += got is not None
            case 6 if held:
                await engine.together([asks.fail(TaskId(random.choice(held)))])
            case _ if dead:
                await done(engine, asks.requeue(TaskId(random.choice(dead))))
            case _:
                database.clock.advance(random.choice((0.0, 0.001, 0.01, 2.0, 200.0)))
    assert claims > 50


async def test_what_came_back_is_seen_by_a_server_that_has_gone_on(servers: Servers) -> None:
    for number in range(3):
        await done(servers.one, asks.create(number))
        servers.database.clock.advance(1)
    first = await claimed(servers.one)
    assert first == a_task_id(0)
    assert await claimed(servers.one) == a_task_id(1)

    await done(servers.other, asks.fail(first))

    assert await claimed(servers.one) == first


async def test_what_another_held_for_a_moment_is_found_when_nothing_else_is_left(
    servers: Servers,
) -> None:
    for number in range(3):
        await done(servers.one, asks.create(number))
        servers.database.clock.advance(1)
    session = await asyncpg.connect(servers.database.url)
    await session.execute("begin")
    await session.fetch("select 1 from tasks where id = $1 for update", a_task_id(0))

    assert await claimed(servers.one) == a_task_id(1)
    await session.execute("rollback")
    await session.close()

    # On a busy machine a look may count as long, and the next look at everything waits a little.
    found: set[TaskId | None] = set()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(found) < 2:
            found |= {await claimed(servers.one)} - {None}
            await asyncio.sleep(0.01)
    assert found == {a_task_id(0), a_task_id(2)}
    assert await claimed(servers.one) is None


async def test_claims_pass_over_what_is_done_while_a_snapshot_is_held(
    databases: Databases,
) -> None:
    with databases.postgres.lent() as database:
        add_tasks(database, [fresh(number, database) for number in range(LIVES)])
        holder = await asyncpg.connect(database.url)
        await holder.execute("begin isolation level repeatable read; select 1 from accounts")
        async with running_engine(database) as engine:
            await claim_all(engine)
        before = await rows_read(database, holder)

        database.clock.advance(1)
        add_tasks(database, [fresh(LIVES + number, database) for number in range(2 * CLAIMS)])
        started = asyncio.get_running_loop().time()
        async with running_engine(database) as engine:
            for number in range(CLAIMS):
                assert await claimed(engine) == a_task_id(LIVES + number)
        whole_looks = 1 + (asyncio.get_running_loop().time() - started) // WHOLE_LOOK_SECONDS
        read = await rows_read(database, holder) - before
        await holder.close()

    # A whole look reads the head of the index twice: for the priority, and for the rows.
    assert read < CLAIMS * ROWS_READ_MAX + whole_looks * 2 * LIVES


def fresh(number: int, database: PostgresDatabase) -> Task:
    now = database.clock.now()
    return a_task(id=a_task_id(number), created_at=now, updated_at=now)


async def claim_all(engine: Engine) -> None:
    outcomes = await engine.together([asks.claim_next() for _ in range(LIVES)])
    assert all(isinstance(one, Held) for one in outcomes)


async def rows_read(database: PostgresDatabase, holder: Session) -> int:
    """Ask how much was read of the indexes by sessions that have ended."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            if not count(database, OTHERS, holder.get_server_pid()):
                break
            await asyncio.sleep(0.01)
    return count(database, READ)
