"""Two servers lock rows in one order, so that neither deadlocks; the time is read after."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Final

import msgspec
import pytest

from orchestrion.core.account import RequestCount
from orchestrion.core.commands import Command, CountRequests, PurgeIdempotencyKeys
from orchestrion.core.errors import ErrorCode
from orchestrion.core.ids import AccountId, KeyId, TaskId, ulid
from orchestrion.core.instants import SECOND, Instant
from orchestrion.core.needs import needs_of
from orchestrion.core.outcomes import Counted, Held, NoTask, Outcome, Rejection
from orchestrion.core.plans import SELF_HOSTED
from orchestrion.core.task import Status, Task
from orchestrion.core.view import IdempotencyRow, Needs
from orchestrion.store import rows
from orchestrion.store.postgres.connecting import begin, roll_back
from orchestrion.store.postgres.loading import SQL
from tests.clocks import SettableClock
from tests.databases import (
    Databases,
    PostgresDatabase,
    add_accounts,
    add_idempotency,
    add_tasks,
)
from tests.factories import NOW, a_task, an_account, expect, later
from tests.store.postgres.meetings import PATIENCE_SECONDS, Meeting, Seen, Server, meeting
from tests.unit import asks

A, B, C, D = ACCOUNTS = tuple(AccountId("acct_" + ulid(NOW, number)) for number in range(4))
KEYS: Final = ("one", "three", "two", "zero")


class Scene(msgspec.Struct, frozen=True):
    """A database, two servers on it, and the time they go by."""

    database: PostgresDatabase
    meeting: Meeting
    clock: SettableClock


@pytest.fixture(scope="module")
async def standing(databases: Databases) -> AsyncIterator[Scene]:
    clock = SettableClock()
    with databases.postgres.lent() as database:
        async with meeting(database.url, SELF_HOSTED, clock) as met:
            yield Scene(database, met, clock)


@pytest.fixture
def scene(standing: Scene) -> Scene:
    """Four accounts, with four live tasks and four remembered creates each."""
    standing.database.empty()
    standing.clock.advance((NOW - standing.clock.now()) / SECOND)
    add_accounts(standing.database, *(an_account(id=one) for one in ACCOUNTS))
    tasks = [live(account_id, number) for account_id in ACCOUNTS for number in range(4)]
    add_tasks(standing.database, tasks)
    add_idempotency(
        standing.database,
        [remembered(account_id, key) for account_id in ACCOUNTS for key in KEYS],
    )
    return standing


def task_id(account_id: AccountId, number: int) -> TaskId:
    return TaskId("tsk_" + ulid(NOW, 10 * ACCOUNTS.index(account_id) + number))


def live(account_id: AccountId, number: int, **changes: object) -> Task:
    of_account = {"account_id": account_id, "id": task_id(account_id, number)}
    return a_task(Status.CLAIMED, **of_account, **changes)


def remembered(account_id: AccountId, key: str) -> IdempotencyRow:
    first = live(account_id, 0)
    return IdempotencyRow(
        account_id=account_id, key=key, request_digest=b"", created_at=NOW, first=first
    )


def heartbeat(account_id: AccountId, number: int) -> Command:
    return asks.heartbeat(task_id(account_id, number), account_id=account_id)


def create(account_id: AccountId, number: int, **changes: object) -> Command:
    return asks.create(100 + number, account_id=account_id, **changes)


def forget(account_id: AccountId, *keys: str) -> Command:
    return PurgeIdempotencyKeys(account_id=account_id, keys=keys)


def count(*accounts: AccountId) -> Command:
    return CountRequests(
        counts=tuple(
            RequestCount(
                account_id=one, key_id=KeyId("key_1"), kind="reads", window_at=NOW, count=1
            )
            for one in accounts
        )
    )


# --- one order


class Crowd(msgspec.Struct, frozen=True):
    """Commands that name four rows, and the last two of the rows."""

    commands: Sequence[Command]
    # Conditions of a table; the third row is locked, the fourth must not be.
    table: str
    third: str
    fourth: str


def named(account_id: AccountId, column: str, value: str) -> str:
    return f"account_id = '{account_id}' and {column} = '{value}'"


CROWDS: Final = {
    "tasks of one account": Crowd(
        [heartbeat(A, number) for number in range(4)],
        "tasks",
        named(A, "id", task_id(A, 2)),
        named(A, "id", task_id(A, 3)),
    ),
    "tasks of several accounts": Crowd(
        [heartbeat(one, number) for one in (A, B) for number in (0, 1)],
        "tasks",
        named(B, "id", task_id(B, 0)),
        named(B, "id", task_id(B, 1)),
    ),
    "accounts": Crowd(
        [create(one, number) for number, one in enumerate(ACCOUNTS)],
        "accounts",
        f"id = '{C}'",
        f"id = '{D}'",
    ),
    "remembered creates of one account": Crowd(
        [forget(A, *KEYS)],
        "idempotency_keys",
        named(A, "key", KEYS[2]),
        named(A, "key", KEYS[3]),
    ),
    "remembered creates of several accounts": Crowd(
        [forget(one, *KEYS[:2]) for one in (A, B)],
        "idempotency_keys",
        named(B, "key", KEYS[0]),
        named(B, "key", KEYS[1]),
    ),
    "counters": Crowd(
        [count(*ACCOUNTS)],
        "request_counts",
        named(C, "kind", "reads"),
        named(D, "kind", "reads"),
    ),
}


class Backwards(set[Any]):
    """A set that gives the last first: sets of two processes come in any two orders."""

    def __iter__(self) -> Iterator[Any]:
        return iter(sorted(super().__iter__(), reverse=True))


def backwards(commands: Sequence[Command]) -> Needs:
    needs = needs_of(commands)
    needs.accounts = Backwards(needs.accounts)
    needs.idempotency = Backwards(needs.idempotency)
    needs.request_counts = Backwards(needs.request_counts)
    needs.tasks = Backwards(needs.tasks)
    return needs


@pytest.mark.parametrize("crowd", CROWDS.values(), ids=CROWDS)
async def test_rows_are_locked_in_one_order_whatever_order_they_are_named_in(
    scene: Scene, crowd: Crowd
) -> None:
    met = scene.meeting
    await met.one.transact(count(*ACCOUNTS))
    lock = f"select from {crowd.table} where {{}} for update skip locked"
    await begin(met.third)
    assert await met.third.fetch(lock.format(crowd.third))

    there = asyncio.create_task(met.one.lock(needs_of(crowd.commands)))
    await met.blocked(met.third.get_server_pid())
    back = asyncio.create_task(met.other.lock(backwards(crowd.commands)))
    await met.blocked(met.one.pid)
    free = await met.third.fetch(lock.format(crowd.fourth))
    await roll_back(met.third)

    assert free
    async with asyncio.timeout(PATIENCE_SECONDS):
        await there
        await met.one.roll_back()
        await back
        await met.other.roll_back()


async def test_nothing_that_many_verbs_lock_makes_two_servers_deadlock(scene: Scene) -> None:
    """A deadlock is a Conflict, which no caller of the store would survive here."""
    drawn = random.Random(7)

    def command() -> Command:
        account_id, number = drawn.choice(ACCOUNTS), drawn.randrange(4)
        named = task_id(account_id, number)
        return drawn.choice(
            (
                heartbeat(account_id, number),
                forget(account_id, drawn.choice(KEYS)),
                create(account_id, drawn.randrange(10**9), idempotency_key=drawn.choice(KEYS)),
                asks.claim_task(named, account_id=account_id),
                asks.fail(named, account_id=account_id),
                asks.claim_next(account_id=account_id),
                asks.expire(live(account_id, number), account_id=account_id),
            )
        )

    async def batches(server: Server) -> int:
        done = 0
        for _ in range(30):
            done += len(await server.transact(*(command() for _ in range(12))))
        return done

    async with asyncio.timeout(PATIENCE_SECONDS):
        one, other = await asyncio.gather(batches(scene.meeting.one), batches(scene.meeting.other))

    assert (one, other) == (360, 360)


# --- what both may want


async def test_two_servers_never_hand_out_the_same_task(scene: Scene) -> None:
    scene.database.execute("update tasks set status = 'pending' where account_id <> $1", D)

    async def claims(server: Server) -> list[Outcome]:
        found: list[Outcome] = []
        for number in range(3):
            asked = [
                asks.claim_next(number, account_id=account_id)
                for account_id in (A, B, C)
                for _ in range(2)
            ]
            drawn = await server.transact(*asked)
            found += drawn
        return found

    async with asyncio.timeout(PATIENCE_SECONDS):
        one, other = await asyncio.gather(claims(scene.meeting.one), claims(scene.meeting.other))
    outcomes = one + other

    held = [outcome.task.id for outcome in outcomes if isinstance(outcome, Held)]
    assert sorted(held) == sorted(task_id(one, number) for one in (A, B, C) for number in range(4))
    assert {type(outcome) for outcome in outcomes} == {Held, NoTask}


async def test_two_servers_add_up_what_they_counted_first(scene: Scene) -> None:
    """A counter that is not there yet cannot be locked, and must not be overwritten."""
    (one,), (other,), seen = await scene.meeting.meet([count(A, B)], [count(B, A)], Server.commit)

    assert seen is Seen.WAITING
    assert [each.count for each in expect(Counted, one).counts] == [1, 1]
    assert [each.count for each in expect(Counted, other).counts] == [2, 2]
    assert scene.database.fetch("select count from request_counts") == [(2,), (2,)]


async def test_what_a_server_counted_first_and_rolled_back_is_not_counted(scene: Scene) -> None:
    await scene.meeting.meet([count(A)], [count(A)], Server.roll_back)

    assert scene.database.fetch("select count from request_counts") == [(1,)]


# --- a claim, and rows that change while it is at work

CLAIMS: Final = {
    "one type": ("load_claimable", (A, "report", NOW, 9, 9, [], [], 0), 0),
    "several types": (
        "load_claimable_of_many",
        ([A], ["report"], NOW, [9], [9], [0], [], [], []),
        1,
    ),
}


@pytest.mark.parametrize("form", CLAIMS.values(), ids=CLAIMS)
async def test_a_claim_takes_rows_as_they_are_when_it_locks_them(
    scene: Scene, form: tuple[str, tuple[Any, ...], int]
) -> None:
    statement, values, before = form
    session = scene.meeting.one.session
    scene.database.execute("update tasks set status = 'pending' where account_id = $1", A)
    over = "update tasks set status = 'claimed', lease_expires_at = $2 where account_id = $1"
    scene.database.execute(f"{over} and id >= $3", A, NOW - 1, task_id(A, 2))
    await begin(session)
    cursor = await session.cursor(SQL[statement], *values)
    found = await cursor.fetch(1)

    # It has seen all of them, and has locked the first.
    scene.database.execute("update tasks set due_at = $2 where id = $1", task_id(A, 1), later(9))
    scene.database.execute(
        "update tasks set lease_expires_at = $2 where id = $1", task_id(A, 2), later(9)
    )
    found += await cursor.fetch(9)
    await roll_back(session)

    tasks = [rows.task_of(tuple(row)[before + 1 :]) for row in found]
    assert [task.id for task in tasks] == [task_id(A, 0), task_id(A, 3)]


# --- time


@pytest.fixture
async def real(scene: Scene) -> AsyncIterator[Meeting]:
    """Let the servers go by the database's own time."""
    async with meeting(scene.database.url, SELF_HOSTED, None) as met:
        now = await time_of(met)
        ends = "update tasks set lease_expires_at = $1"
        scene.database.execute(ends, now + 60 * SECOND)
        yield met


async def time_of(met: Meeting) -> Instant:
    return Instant(await met.beside.fetchval(SQL["read_moment"], None))


WAITS: Final = {
    "for an account": [create(A, 1)],
    "for several accounts": [create(A, 1), create(B, 2)],
    "for a claim": [asks.claim_next(account_id=A)],
    "for a remembered create": [forget(A, *KEYS)],
    "for a counter": [count(A)],
    "for a task": [heartbeat(A, 0)],
    "for the last of many": [heartbeat(one, number) for one in ACCOUNTS for number in range(4)],
}


@pytest.mark.parametrize("commands", WAITS.values(), ids=WAITS)
async def test_who_waits_sees_a_time_not_before_the_end_of_the_wait(
    real: Meeting, commands: Sequence[Command]
) -> None:
    held = [commands[-1]]
    await real.one.hold(*held)
    waiting = asyncio.create_task(real.other.time_of(*commands))
    await real.blocked(real.one.pid)

    ends = await time_of(real)
    await real.one.commit()

    assert await waiting >= ends


async def test_a_lease_that_ran_out_while_its_holder_waited_is_over(
    scene: Scene, real: Meeting
) -> None:
    ends = await time_of(real) + 100
    scene.database.execute("update tasks set lease_expires_at = $1", ends)
    await real.one.hold(asks.claim_task(task_id(A, 0), account_id=A))
    waiting = asyncio.create_task(real.other.transact(asks.complete(task_id(A, 0), account_id=A)))
    await real.blocked(real.one.pid)

    async with asyncio.timeout(PATIENCE_SECONDS):
        while await time_of(real) <= ends:  # noqa: ASYNC110 - time passes on the server
            await asyncio.sleep(0.01)
    await real.one.roll_back()

    (outcome,) = await waiting
    assert expect(Rejection, outcome).code is ErrorCode.LEASE_EXPIRED
