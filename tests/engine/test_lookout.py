"""What wakes waiting claims from elsewhere: the database itself, and other processes."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from orchestrion.core.claimable import ALREADY, Claimable
from orchestrion.core.faults import Unavailable
from orchestrion.core.instants import SECOND, Instant
from orchestrion.core.outcomes import Held
from orchestrion.core.task import Status
from orchestrion.core.view import TypeKey
from orchestrion.engine import lookout
from orchestrion.engine.lookout import Lookout, LookoutLimits
from tests.databases import add_tasks
from tests.engine.engines import Engine
from tests.engine.waiting_room import WaitingRoom, ended, given_up, task_of, until
from tests.factories import ACCOUNT_ID, a_task, a_task_id, expect
from tests.unit import asks

NEVER = LookoutLimits(every_seconds=3_600, deaf_seconds=3_600, new_seconds=0)
OFTEN = LookoutLimits(every_seconds=0.01, deaf_seconds=0.01, new_seconds=3_600)
ONLY_DEAF = LookoutLimits(every_seconds=3_600, deaf_seconds=0.01, new_seconds=3_600)


class Telephone:
    """Wake-ups between processes, of which the others are the test; fits `ports.Wakeups`."""

    def __init__(self) -> None:
        self.listening = True
        self.told: list[Claimable] = []
        self.calls: asyncio.Queue[Sequence[Claimable] | None] = asyncio.Queue()
        self.lost: Callable[[Exception], None] | None = None

    def announce(self, ready: Sequence[Claimable]) -> None:
        self.told += ready

    async def heard(self) -> Sequence[Claimable] | None:
        return await self.calls.get()

    async def run(self, lost: Callable[[Exception], None]) -> None:
        self.lost = lost


class Blind:
    """A reader that cannot read."""

    def __init__(self) -> None:
        self.asked = 0

    async def next_due(self, keys: Sequence[TypeKey]) -> dict[TypeKey, Instant]:
        assert keys
        self.asked += 1
        raise Unavailable("away")


@pytest.fixture
def room(engine: Engine) -> WaitingRoom:
    return WaitingRoom(engine)


class Running:
    """A lookout that runs while a block lasts."""

    def __init__(self, lookout: Lookout) -> None:
        self._lookout = lookout

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._lookout.run())

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])


def watching(
    room: WaitingRoom, limits: LookoutLimits, telephone: Telephone | None = None
) -> Running:
    engine = room.engine
    return Running(Lookout(room.waiters, engine.reader, telephone, engine.observer, limits))


# --- the database


async def test_what_nobody_told_of_is_found_by_a_look(room: WaitingRoom) -> None:
    claims = await room.line(*range(9))
    add_tasks(room.engine.database, [a_task(id=a_task_id(number)) for number in range(9)])

    await room.look()

    held = [expect(Held, outcome).task.id for outcome in await ended(claims)]
    assert set(held) == set(map(a_task_id, range(9)))


async def test_a_look_learns_when_the_next_task_is_due(room: WaitingRoom) -> None:
    due = Instant(room.engine.clock.now() + 7 * SECOND)
    add_tasks(room.engine.database, [a_task(id=a_task_id(1), scheduled_at=due)])
    claim = await room.waiting(1)
    await room.look()

    await room.pass_time(6.9)
    assert not claim.done()
    await room.pass_time(0.1)

    assert (await task_of(claim)).id == a_task_id(1)


async def test_a_look_learns_when_a_lease_ends(room: WaitingRoom) -> None:
    ends = Instant(room.engine.clock.now() + 7 * SECOND)
    add_tasks(room.engine.database, [a_task(Status.CLAIMED, lease_expires_at=ends)])
    claim = await room.waiting(1)
    await room.look()

    await room.pass_time(7)

    assert (await task_of(claim)).attempt_count == 2


async def test_many_types_are_looked_up_a_few_at_a_time(
    room: WaitingRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookout, "LOOK_TYPES_MAX", 2)
    claims = [await room.waiting(number, f"type{number}") for number in range(5)]
    add_tasks(
        room.engine.database,
        [a_task(id=a_task_id(number), type=f"type{number}") for number in range(5)],
    )

    await room.look()

    assert all(isinstance(outcome, Held) for outcome in await ended(claims))


async def test_what_is_waited_for_is_looked_up_again_and_again(room: WaitingRoom) -> None:
    claim = await room.waiting(1)

    async with watching(room, OFTEN):
        add_tasks(room.engine.database, [a_task(id=a_task_id(1))])
        assert (await task_of(claim)).id == a_task_id(1)


async def test_what_is_newly_waited_for_is_looked_up_soon(room: WaitingRoom) -> None:
    due = Instant(room.engine.clock.now() + SECOND)
    add_tasks(room.engine.database, [a_task(id=a_task_id(1), scheduled_at=due)])

    async with watching(room, NEVER):
        claim = await room.waiting(1)
        await until(lambda: not room.waiters.unknown_lines())
        await room.pass_time(1)

        assert (await task_of(claim)).id == a_task_id(1)


async def test_a_look_that_fails_is_told_of_and_not_the_last(room: WaitingRoom) -> None:
    blind, observer = Blind(), room.engine.observer
    claim = await room.waiting(1)
    broken = Lookout(room.waiters, blind, None, observer, OFTEN)  # type: ignore[arg-type]

    async with Running(broken):
        await until(lambda: blind.asked > 1)

    event, _, error = observer.faults[0]
    assert (event, str(error)) == ("lookout_failed", "away")
    assert not claim.done()
    await given_up(claim)


async def test_a_look_that_finds_nothing_wakes_nobody(room: WaitingRoom) -> None:
    claim = await room.waiting(1)
    before = room.engine.watched.calls

    await room.look()

    assert room.engine.watched.calls == before
    await given_up(claim)


async def test_where_one_process_is_alone_nobody_is_told(room: WaitingRoom) -> None:
    before = len(room.engine.writer.listeners)

    room.lookout.attend(room.engine.writer)

    assert len(room.engine.writer.listeners) == before


async def test_nothing_found_for_somebody_who_has_left_is_no_trouble(room: WaitingRoom) -> None:
    room.waiters.found((ACCOUNT_ID, "report"), room.engine.clock.now())
    room.waiters.wake([Claimable(ACCOUNT_ID, "report", 1, ALREADY)])

    assert room.engine.watched.calls == 0


# --- other processes


async def test_what_others_tell_wakes(room: WaitingRoom) -> None:
    telephone = Telephone()
    claims = await room.line(1, 2, 3)
    add_tasks(room.engine.database, [a_task(id=a_task_id(number)) for number in range(2)])

    async with watching(room, NEVER, telephone):
        telephone.calls.put_nowait([Claimable(ACCOUNT_ID, "report", 2, ALREADY)])

        assert all(isinstance(outcome, Held) for outcome in await ended(claims[:2]))
        await room.quiet()
        assert not claims[2].done()
    await given_up(claims[2])


async def test_what_others_tell_of_later_wakes_when_it_is_due(room: WaitingRoom) -> None:
    telephone = Telephone()
    claim = await room.waiting(1)
    due = Instant(room.engine.clock.now() + 5 * SECOND)
    add_tasks(room.engine.database, [a_task(id=a_task_id(1), scheduled_at=due)])

    async with watching(room, NEVER, telephone):
        telephone.calls.put_nowait([Claimable(ACCOUNT_ID, "report", 1, due)])
        await until(telephone.calls.empty)
        await room.quiet()
        await room.pass_time(5)

        assert (await task_of(claim)).id == a_task_id(1)


async def test_where_something_may_have_been_missed_the_database_is_asked(
    room: WaitingRoom,
) -> None:
    telephone = Telephone()
    claim = await room.waiting(1)
    room.waiters.unknown_lines()
    add_tasks(room.engine.database, [a_task(id=a_task_id(1))])

    async with watching(room, LookoutLimits(every_seconds=3_600, new_seconds=3_600), telephone):
        telephone.calls.put_nowait(None)

        assert (await task_of(claim)).id == a_task_id(1)


async def test_others_are_told_what_is_committed_here(room: WaitingRoom) -> None:
    engine, telephone = room.engine, Telephone()
    Lookout(room.waiters, engine.reader, telephone, engine.observer).attend(engine.writer)
    due = Instant(engine.clock.now() + 5 * SECOND)

    await engine.together([asks.create(1), asks.create(2), asks.create(3, scheduled_at=due)])
    await engine.together([asks.claim_next(1), asks.claim_next(2)])
    await engine.together([asks.complete(a_task_id(1), asks.a_token(1))])

    assert telephone.told == [
        Claimable(ACCOUNT_ID, "report", 2, ALREADY),
        Claimable(ACCOUNT_ID, "report", 1, due),
    ]


async def test_while_others_are_not_heard_the_database_is_asked_more_often(
    room: WaitingRoom,
) -> None:
    telephone = Telephone()
    telephone.listening = False
    claim = await room.waiting(1)
    room.waiters.unknown_lines()
    add_tasks(room.engine.database, [a_task(id=a_task_id(1))])

    async with watching(room, ONLY_DEAF, telephone):
        assert (await task_of(claim)).id == a_task_id(1)


async def test_losing_the_others_is_told_of(room: WaitingRoom) -> None:
    telephone = Telephone()
    async with watching(room, NEVER, telephone):
        await until(lambda: telephone.lost is not None)
        assert telephone.lost is not None
        telephone.lost(Unavailable("away"))

    assert [event for event, _, _ in room.engine.observer.faults] == ["wakeups_lost"]
