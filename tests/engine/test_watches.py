"""Callers that wait for tasks: what ends their wait, and what does not."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from orchestrion.core.commands import Command, PurgeFinished, RequestCancel
from orchestrion.core.errors import ErrorCode
from orchestrion.core.ids import TaskId
from orchestrion.core.instants import DAY, Instant
from orchestrion.core.limits import WATCHED_TASKS_MAX
from orchestrion.core.outcomes import Rejection
from orchestrion.core.task import Status
from orchestrion.core.watching import Goal, Mode, Seen, Until
from orchestrion.engine.room import Patience, Room
from orchestrion.engine.watches import POLL_TASKS_MAX, Watches
from tests.databases import add_accounts, add_tasks
from tests.engine.engines import PATIENCE_SECONDS, Engine
from tests.factories import (
    ACCOUNT_ID,
    OTHER_ACCOUNT_ID,
    a_task,
    a_task_id,
    an_account,
    expect,
)
from tests.unit import asks

ONE, TWO, THREE = (a_task_id(number) for number in (1, 2, 3))
Wait = asyncio.Task[Seen | Rejection]


class Lobby:
    """Watches on an engine, and the waits in them."""

    def __init__(self, engine: Engine, waiters_max: int = 100) -> None:
        self.engine = engine
        self.room = Room(waiters_max)
        self.watches = Watches(engine.writer, engine.reader, engine.clock, self.room)

    def start(
        self, *ids: TaskId, mode: Mode = Mode.ANY, until: Until = Until.TERMINAL, seconds: int = 20
    ) -> Wait:
        """Begin to wait."""
        goal = Goal(ids=ids, mode=mode, until=until)
        patience = Patience(seconds=seconds, waiters_max=3)
        return asyncio.create_task(self.watches.wait(ACCOUNT_ID, goal, patience))

    async def waiting(self, *ids: TaskId, **how: object) -> Wait:
        """Begin a wait that is not over at once."""
        wait = self.start(*ids, **how)  # type: ignore[arg-type]
        await until(lambda: bool(self.watches.begun) or wait.done())
        assert not wait.done()
        return wait

    async def do(self, *commands: Command) -> None:
        """Have something happen in this process."""
        await self.engine.together(commands)


async def until(seen: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not seen():
            await asyncio.sleep(0)


async def ended(wait: Wait) -> Seen:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return expect(Seen, await wait)


async def still_waits(wait: Wait) -> bool:
    for _ in range(20):
        await asyncio.sleep(0)
    return not wait.done()


def what(seen: Seen) -> tuple[Sequence[TaskId], Sequence[TaskId], bool]:
    return list(seen.met), list(seen.remaining), seen.timed_out


@pytest.fixture
def lobby(engine: Engine) -> Lobby:
    """Tasks one to three are claimed."""
    add_tasks(engine.database, (a_task(Status.CLAIMED, id=one, lease_expires_at=far(engine))
                                for one in (ONE, TWO, THREE)))
    return Lobby(engine)


def far(engine: Engine) -> Instant:
    return Instant(engine.clock.now() + DAY)


# --- what ends a wait


@pytest.mark.parametrize("end", [asks.complete, asks.fail])
async def test_a_wait_is_over_when_its_task_has_ended(end: Callable[..., Command], lobby: Lobby) -> None:
    last = a_task(Status.CLAIMED, id=a_task_id(9), max_attempts=1, lease_expires_at=far(lobby.engine))
    add_tasks(lobby.engine.database, [last])
    wait = await lobby.waiting(last.id)

    await lobby.do(end(last.id))

    assert what(await ended(wait)) == ([last.id], [], False)
    assert len(lobby.watches) == lobby.room.taken == 0
