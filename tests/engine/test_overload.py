"""Who is turned away when the queue fills, in the running writer."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from orchestrion.core.commands import Command, CountRequests, ExpireLeases, RegisterKey
from orchestrion.core.errors import ErrorCode
from orchestrion.core.ids import AccountId, KeyId
from orchestrion.core.outcomes import Outcome, Rejection
from orchestrion.engine.overload import (
    OVERLOAD_WAIT_SECONDS_MAX,
    OVERLOAD_WAIT_SECONDS_MIN,
    QueueLimits,
)
from tests.databases import Database
from tests.engine.engines import Engine, EngineOptions, running_engine
from tests.factories import ACCOUNT_ID, a_task_id, expect
from tests.unit import asks, buying

ONE = a_task_id(1)
REGISTER = RegisterKey(
    account_id=AccountId("acct_new"), key_id=KeyId("key_new"), key_hash=b"hash", email=None
)
NEW_WORK: list[Command] = [
    asks.create(900),
    REGISTER,
    ExpireLeases(account_id=ACCOUNT_ID, task_ids=()),
    CountRequests(counts=()),
    *(buying.opens(), buying.begins(), buying.expires(), buying.sets("pro")),
]
CLAIMS: list[Command] = [
    asks.claim_next(900),
    asks.claim_task(ONE, 901),
    asks.cancel(ONE),
    asks.requeue(ONE),
]
HOLDERS: list[Command] = [
    *(asks.complete(ONE), asks.fail(ONE), asks.heartbeat(ONE)),
    # Who knows what became of money.
    *(buying.records(), buying.undoes(), buying.fails(), buying.confirms(), buying.voids()),
]


class Crowd:
    """A writer whose commit is held up while the queue behind it fills."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.callers: list[asyncio.Task[Outcome]] = []

    async def fill_up_to(self, depth: int) -> None:
        """Let heartbeats, which are let in longest, queue up."""
        while self.engine.writer.depth < depth:
            self.join(asks.heartbeat(ONE))
            await asyncio.sleep(0)

    def join(self, command: Command) -> asyncio.Task[Outcome]:
        """Submit a command and stay for its outcome."""
        caller = asyncio.create_task(self.engine.writer.submit(command))
        self.callers.append(caller)
        return caller

    async def is_let_in(self, command: Command) -> bool:
        """Submit a command, see whether it queues up, and leave again."""
        depth = self.engine.writer.depth
        caller = asyncio.create_task(self.engine.writer.submit(command))
        await asyncio.sleep(0)
        if self.engine.writer.depth == depth:
            refused = expect(Rejection, await caller)
            assert (refused.code, refused.status) == (ErrorCode.SERVER_ERROR, 503)
            waits = range(OVERLOAD_WAIT_SECONDS_MIN, OVERLOAD_WAIT_SECONDS_MAX + 1)
            assert refused.wait_seconds in waits
            return False
        self.callers.append(caller)
        return True


@pytest.fixture
async def crowd(database: Database) -> AsyncIterator[Crowd]:
    """Hold up a commit; 20 commands may wait behind it."""
    async with running_engine(database, EngineOptions(queue=QueueLimits(queue_max=20))) as engine:
        crowd = Crowd(engine)
        engine.watched.go_on.clear()
        crowd.join(asks.create(1))
        await engine.watched.committed.wait()
        yield crowd
        engine.watched.go_on.set()
        await asyncio.gather(*crowd.callers)


def by_kind(*groups: list[Command]) -> pytest.MarkDecorator:
    commands = [command for group in groups for command in group]
    names = [type(command).__name__ for command in commands]
    return pytest.mark.parametrize("command", commands, ids=names)


@by_kind(NEW_WORK)
async def test_new_work_is_refused_when_the_queue_is_half_full(
    crowd: Crowd, command: Command
) -> None:
    await crowd.fill_up_to(9)

    assert await crowd.is_let_in(command)
    assert not await crowd.is_let_in(command)


@by_kind(CLAIMS)
async def test_claims_are_refused_when_the_queue_is_three_quarters_full(
    crowd: Crowd, command: Command
) -> None:
    await crowd.fill_up_to(14)

    assert await crowd.is_let_in(command)
    assert not await crowd.is_let_in(command)


@by_kind(HOLDERS)
async def test_holders_of_leases_are_refused_only_when_the_queue_is_full(
    crowd: Crowd, command: Command
) -> None:
    await crowd.fill_up_to(19)

    assert await crowd.is_let_in(command)
    assert not await crowd.is_let_in(command)


async def test_whoever_is_turned_away_is_noted_by_kind(crowd: Crowd) -> None:
    await crowd.fill_up_to(20)

    for command in (*NEW_WORK, *CLAIMS, *HOLDERS):
        assert not await crowd.is_let_in(command)

    names = [type(command).__name__ for command in (*NEW_WORK, *CLAIMS, *HOLDERS)]
    assert crowd.engine.observer.refusals == names


async def test_everybody_is_let_in_again_once_the_queue_has_drained(crowd: Crowd) -> None:
    await crowd.fill_up_to(20)
    assert not await crowd.is_let_in(asks.create(2))

    crowd.engine.watched.go_on.set()
    await asyncio.gather(*crowd.callers)

    assert await crowd.is_let_in(asks.create(2))
