"""Callers that wait for tasks: what ends their wait, and what does not."""

import asyncio
from collections.abc import Sequence

import pytest

from orchestrion.core.commands import Command, PurgeFinished, RequestCancel
from orchestrion.core.errors import ErrorCode
from orchestrion.core.ids import AccountId, TaskId
from orchestrion.core.instants import DAY, Instant
from orchestrion.core.lease import Failure
from orchestrion.core.limits import WATCH_ENTRIES_MAX, WATCHED_TASKS_MAX
from orchestrion.core.outcomes import Rejection
from orchestrion.core.task import Status
from orchestrion.core.watching import Goal, Mark, Marks, Mode, Seen, Until
from orchestrion.engine.ports import Reader
from orchestrion.engine.room import Patience, Room
from orchestrion.engine.watches import POLL_TASKS_MAX, Watches
from tests.databases import add_tasks
from tests.engine.engines import PATIENCE_SECONDS, Engine
from tests.engine.waiting_room import until
from tests.factories import ACCOUNT_ID, a_task, a_task_id, expect
from tests.unit import asks

ONE, TWO, THREE = (a_task_id(number) for number in (1, 2, 3))
UNKNOWN = a_task_id(404)
PER_ACCOUNT = 3

Wait = asyncio.Task[Seen | Rejection]


class Late:
    """The real reader, whose answers a test can hold up."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.has_read = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def marks(self, account_id: AccountId, ids: Sequence[TaskId]) -> Marks:
        """Read, then wait until the test lets the answer through."""
        found = await self._reader.marks(account_id, ids)
        self.has_read.set()
        await self.go_on.wait()
        return found


class Lobby:
    """Watches on an engine, and the waits in them."""

    def __init__(
        self, engine: Engine, waiters_max: int = 100, per_account: int = PER_ACCOUNT
    ) -> None:
        self.engine = engine
        self.per_account = per_account
        self.room = Room(waiters_max)
        self.reader = Late(engine.reader)
        self.watches = Watches(engine.writer, self.reader, engine.clock, self.room)

    def start(self, goal: Goal, seconds: float = 20) -> Wait:
        """Begin to wait."""
        patience = Patience(seconds=seconds, waiters_max=self.per_account)
        return asyncio.create_task(self.watches.wait(ACCOUNT_ID, goal, patience))

    async def waiting(self, goal: Goal, seconds: float = 20) -> Wait:
        """Begin a wait that is not over at once."""
        wait, resting = self.start(goal, seconds), self.watches.resting
        await until(lambda: self.watches.resting > resting or wait.done())
        assert not wait.done(), wait.result()
        return wait

    async def do(self, *commands: Command) -> None:
        """Have something happen in this process."""
        await self.engine.together(commands)

    def elsewhere(self, task_id: TaskId, status: Status) -> None:
        """Have something happen behind this process's back."""
        now = self.engine.clock.now()
        sql = "update tasks set status = $1, updated_at = $2 where id = $3"
        assert self.engine.database.execute(sql, status, now, task_id) == 1

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and do what is due then."""
        self.engine.clock.advance(seconds)
        self.watches.turn()


def goal(*ids: TaskId, mode: Mode = Mode.ANY, for_: Until = Until.TERMINAL) -> Goal:
    return Goal(ids=ids, mode=mode, until=for_)


async def ended(wait: Wait) -> Seen:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return expect(Seen, await wait)


async def goes_on(wait: Wait) -> bool:
    for _ in range(20):
        await asyncio.sleep(0)
    return not wait.done()


def seen(met: list[TaskId], remaining: list[TaskId], **more: object) -> Seen:
    return Seen(met=met, remaining=remaining, **{"missing": [], "timed_out": False, **more})  # type: ignore[arg-type]


@pytest.fixture
def lobby(engine: Engine) -> Lobby:
    """Three tasks are held by workers, each in its last attempt but one."""
    ends = Instant(engine.clock.now() + DAY)
    add_tasks(
        engine.database,
        (
            a_task(Status.CLAIMED, id=one, attempt_count=2, lease_expires_at=ends)
            for one in (ONE, TWO, THREE)
        ),
    )
    return Lobby(engine)


# --- what ends a wait


async def test_a_wait_is_over_when_its_task_is_completed(lobby: Lobby) -> None:
    wait = await lobby.waiting(goal(ONE))

    await lobby.do(asks.complete(TWO), asks.complete(ONE))

    assert await ended(wait) == seen([ONE], [])
    assert (lobby.watches.watched, lobby.watches.resting, lobby.room.taken) == (0, 0, 0)


async def test_a_dead_or_cancelled_task_has_ended_too(lobby: Lobby) -> None:
    add_tasks(lobby.engine.database, [a_task(id=a_task_id(9))])
    cancelled = await lobby.waiting(goal(a_task_id(9)))
    dead = await lobby.waiting(goal(ONE))

    await lobby.do(asks.cancel(a_task_id(9)), asks.fail(ONE))
    assert await ended(cancelled) == seen([a_task_id(9)], [])
    assert await goes_on(dead)
    await lobby.do(asks.claim_task(ONE))
    await lobby.do(asks.fail(ONE))

    assert await ended(dead) == seen([ONE], [])


async def test_what_has_ended_already_is_not_waited_for(lobby: Lobby) -> None:
    await lobby.do(asks.complete(ONE))

    assert await ended(lobby.start(goal(ONE))) == seen([ONE], [])


async def test_any_ends_with_the_first_and_all_with_the_last(lobby: Lobby) -> None:
    first = await lobby.waiting(goal(ONE, TWO, THREE))
    last = await lobby.waiting(goal(ONE, TWO, THREE, mode=Mode.ALL))

    await lobby.do(asks.complete(TWO))
    assert await ended(first) == seen([TWO], [ONE, THREE])
    await lobby.do(asks.complete(THREE))
    assert await goes_on(last)
    await lobby.do(asks.complete(ONE))

    assert await ended(last) == seen([ONE, TWO, THREE], [])


@pytest.mark.parametrize(
    "change",
    [
        asks.complete(ONE),
        asks.fail(ONE, failure=Failure(retry_after_seconds=5)),
        RequestCancel(account_id=ACCOUNT_ID, task_id=ONE),
    ],
    ids=lambda change: type(change).__name__,
)
async def test_a_change_ends_a_wait_for_one(change: Command, lobby: Lobby) -> None:
    wait = await lobby.waiting(goal(ONE, for_=Until.CHANGE))
    lobby.engine.clock.advance(1)

    await lobby.do(change)

    assert await ended(wait) == seen([ONE], [])


async def test_a_claim_ends_a_wait_for_a_change(lobby: Lobby) -> None:
    add_tasks(lobby.engine.database, [a_task(id=a_task_id(9))])
    wait = await lobby.waiting(goal(a_task_id(9), for_=Until.CHANGE))

    await lobby.do(asks.claim_next())

    assert await ended(wait) == seen([a_task_id(9)], [])


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.CANCELLED])
async def test_what_cannot_change_any_more_is_not_waited_for(status: Status, lobby: Lobby) -> None:
    """It would be waited for in vain, again and again."""
    ended_id = a_task_id(9)
    add_tasks(lobby.engine.database, [a_task(status, id=ended_id)])

    wait = lobby.start(goal(ended_id, ONE, mode=Mode.ALL, for_=Until.CHANGE))
    assert await ended(lobby.start(goal(ended_id, for_=Until.CHANGE))) == seen([ended_id], [])
    await until(lambda: lobby.watches.resting == 1)
    await lobby.do(asks.complete(ONE))

    assert await ended(wait) == seen([ended_id, ONE], [])


async def test_a_dead_task_may_still_change(lobby: Lobby) -> None:
    add_tasks(lobby.engine.database, [a_task(Status.DEAD_LETTER, id=a_task_id(9))])
    wait = await lobby.waiting(goal(a_task_id(9), for_=Until.CHANGE))

    await lobby.do(asks.requeue(a_task_id(9)))

    assert await ended(wait) == seen([a_task_id(9)], [])


async def test_a_heartbeat_is_no_change(lobby: Lobby) -> None:
    wait = await lobby.waiting(goal(ONE, for_=Until.CHANGE))

    await lobby.do(asks.heartbeat(ONE))

    assert await goes_on(wait)
    await lobby.do(asks.complete(ONE))
    await ended(wait)


async def test_a_task_that_is_gone_is_waited_for_no_more(lobby: Lobby) -> None:
    long_ago = Instant(lobby.engine.clock.now() - 400 * DAY)
    dead = a_task(Status.DEAD_LETTER, id=a_task_id(9), updated_at=long_ago)
    add_tasks(lobby.engine.database, [dead])
    wait = await lobby.waiting(goal(dead.id, for_=Until.CHANGE))

    await lobby.do(PurgeFinished(account_id=ACCOUNT_ID, task_ids=(dead.id,)))

    assert await ended(wait) == seen([], [], missing=[dead.id])


async def test_unknown_tasks_are_not_waited_for(lobby: Lobby) -> None:
    none = lobby.start(goal(UNKNOWN, TaskId("x"), mode=Mode.ALL))
    some = await lobby.waiting(goal(UNKNOWN, ONE))

    assert await ended(none) == seen([], [], missing=[UNKNOWN, TaskId("x")])
    await lobby.do(asks.complete(ONE))
    assert await ended(some) == seen([ONE], [], missing=[UNKNOWN])


# --- what is committed meanwhile, and by others


async def test_what_is_committed_while_a_wait_begins_is_not_missed(lobby: Lobby) -> None:
    """The wait is known to the writer before it reads."""
    lobby.engine.watched.go_on.clear()
    ending = asyncio.create_task(lobby.do(asks.complete(ONE)))
    await lobby.engine.watched.committed.wait()
    wait = lobby.start(goal(ONE, TWO, mode=Mode.ALL))
    await goes_on(wait)

    lobby.engine.watched.go_on.set()
    await ending
    await lobby.do(asks.complete(TWO))

    assert await ended(wait) == seen([ONE, TWO], [])


async def test_what_others_committed_is_found_by_the_poll(lobby: Lobby) -> None:
    wait = await lobby.waiting(goal(ONE, TWO))
    lobby.elsewhere(TWO, Status.COMPLETED)

    assert await goes_on(wait)
    await lobby.watches.poll()

    assert await ended(wait) == seen([TWO], [ONE])


async def test_a_poll_finds_what_is_gone(lobby: Lobby) -> None:
    wait = await lobby.waiting(goal(ONE))
    lobby.engine.database.execute("delete from tasks where id = $1", ONE)

    await lobby.watches.poll()

    assert await ended(wait) == seen([], [], missing=[ONE])


async def test_a_poll_that_is_late_takes_nothing_back(lobby: Lobby) -> None:
    wait = await lobby.waiting(goal(ONE, TWO, mode=Mode.ALL))
    lobby.reader.has_read.clear()
    lobby.reader.go_on.clear()
    polling = asyncio.create_task(lobby.watches.poll())
    await lobby.reader.has_read.wait()
    await lobby.do(asks.complete(ONE))
    lobby.reader.go_on.set()
    await polling
    await lobby.do(asks.complete(TWO))

    assert await ended(wait) == seen([ONE, TWO], [])


async def test_a_poll_reads_so_many_tasks_at_a_time(lobby: Lobby) -> None:
    ids = [a_task_id(1_000 + number) for number in range(POLL_TASKS_MAX + 10)]
    add_tasks(lobby.engine.database, (a_task(id=one) for one in ids))
    waits = [await lobby.waiting(goal(*ids[first::3], mode=Mode.ALL)) for first in range(3)]
    for task_id in ids:
        lobby.elsewhere(task_id, Status.CANCELLED)

    await lobby.watches.poll()

    assert [len((await ended(wait)).met) for wait in waits] == [170, 170, 170]


async def test_a_poll_that_breaks_is_noted_and_made_up_for(lobby: Lobby) -> None:
    wait = await lobby.waiting(goal(ONE))
    database, observer = lobby.engine.database, lobby.engine.observer
    database.execute("alter table tasks rename to gone")

    polling = asyncio.create_task(lobby.watches.run(0, observer))
    await until(lambda: bool(observer.faults))
    database.execute("alter table gone rename to tasks")
    lobby.elsewhere(ONE, Status.COMPLETED)

    assert await ended(wait) == seen([ONE], [])
    assert {fault[0] for fault in observer.faults} == {"watches_poll_failed"}
    polling.cancel()
    await asyncio.wait([polling])


# --- the end of a wait


async def test_when_time_is_up_the_rest_remains(lobby: Lobby) -> None:
    wait = await lobby.waiting(goal(ONE, TWO, mode=Mode.ALL), seconds=20)
    await lobby.do(asks.complete(TWO))

    lobby.pass_time(19.9)
    assert await goes_on(wait)
    lobby.pass_time(0.2)

    assert await ended(wait) == seen([TWO], [ONE], timed_out=True)
    assert (lobby.watches.watched, lobby.room.taken) == (0, 0)


async def test_time_is_up_without_anybody_moving_it(lobby: Lobby) -> None:
    wait = await lobby.waiting(goal(ONE), seconds=0.05)
    lobby.engine.clock.advance(1)

    assert (await ended(wait)).timed_out


async def test_without_patience_nobody_waits(lobby: Lobby) -> None:
    assert await ended(lobby.start(goal(ONE), seconds=0)) == seen([], [ONE], timed_out=True)


async def test_a_caller_that_leaves_leaves_nothing(lobby: Lobby) -> None:
    wait = await lobby.waiting(goal(ONE, TWO))

    wait.cancel()
    await asyncio.wait([wait])

    assert (lobby.watches.watched, lobby.watches.resting, lobby.room.taken) == (0, 0, 0)


async def test_a_stop_answers_everybody_at_once(lobby: Lobby) -> None:
    waits = [await lobby.waiting(goal(one)) for one in (ONE, TWO)]

    lobby.watches.stop()

    assert [await ended(wait) for wait in waits] == [
        seen([], [one], timed_out=True) for one in (ONE, TWO)
    ]
    assert (await ended(lobby.start(goal(ONE)))).timed_out


# --- how many


async def test_an_account_has_so_many_waits_at_a_time(lobby: Lobby) -> None:
    waits = [await lobby.waiting(goal(ONE)) for _ in range(PER_ACCOUNT)]

    refused = expect(Rejection, await lobby.start(goal(ONE)))

    assert (refused.code, refused.wait_seconds) == (ErrorCode.RATE_LIMITED, 5)
    await lobby.do(asks.complete(ONE))
    assert [await ended(wait) for wait in waits] == [seen([ONE], [])] * PER_ACCOUNT
    assert await ended(lobby.start(goal(ONE))) == seen([ONE], [])


async def test_who_need_not_wait_is_never_refused(lobby: Lobby) -> None:
    for _ in range(PER_ACCOUNT):
        await lobby.waiting(goal(TWO))
    await lobby.do(asks.complete(ONE))

    assert await ended(lobby.start(goal(ONE))) == seen([ONE], [])
    assert await ended(lobby.start(goal(TWO), seconds=0)) == seen([], [TWO], timed_out=True)
    lobby.watches.stop()
    assert await ended(lobby.start(goal(TWO))) == seen([], [TWO], timed_out=True)


async def test_a_process_holds_so_many_waits(lobby: Lobby) -> None:
    full = Lobby(lobby.engine, waiters_max=1)
    await full.waiting(goal(ONE))

    refused = expect(Rejection, await full.start(goal(TWO)))

    assert (refused.code, refused.status) == (ErrorCode.SERVER_ERROR, 503)
    full.watches.stop()


async def test_a_process_watches_so_many_tasks(lobby: Lobby) -> None:
    many = [a_task_id(10**6 + number) for number in range(WATCHED_TASKS_MAX - 1)]
    wait = await lobby.waiting(goal(ONE, *many))

    refused = expect(Rejection, await lobby.start(goal(TWO)))
    same = await lobby.waiting(goal(ONE))

    assert (refused.code, refused.status) == (ErrorCode.SERVER_ERROR, 503)
    lobby.watches.stop()
    assert not (await ended(wait)).met
    assert not (await ended(same)).met


async def test_a_task_counts_as_often_as_it_is_waited_for(engine: Engine) -> None:
    """A commit of it tells each of them."""
    crowded = Lobby(engine, waiters_max=10_000, per_account=10_000)
    ids = [a_task_id(number) for number in range(100)]
    add_tasks(engine.database, (a_task(id=one) for one in ids))
    waits = [crowded.start(goal(*ids)) for _ in range(WATCH_ENTRIES_MAX // 100)]
    await until(lambda: crowded.watches.resting == len(waits))

    refused = expect(Rejection, await crowded.start(goal(ONE)))

    assert (refused.code, refused.status) == (ErrorCode.SERVER_ERROR, 503)
    waits.pop().cancel()
    await until(lambda: crowded.watches.resting == len(waits))
    waits.append(await crowded.waiting(goal(ONE)))
    crowded.watches.stop()
    assert not any([(await ended(wait)).met for wait in waits])


async def test_what_is_as_it_was_is_looked_at_no_further(lobby: Lobby) -> None:
    """However many wait for however much: a poll that finds no change tells nobody."""
    told = []

    class Listening(Goal, frozen=True, kw_only=True):
        def met_by(self, first: Mark, latest: Mark | None) -> bool:
            told.append(latest)
            return super().met_by(first, latest)

    wait = await lobby.waiting(Listening(ids=(ONE, TWO, THREE), mode=Mode.ALL))
    told.clear()

    await lobby.watches.poll()
    await lobby.do(asks.heartbeat(TWO))
    assert told == []
    await lobby.do(asks.complete(TWO))
    assert [mark and mark.status for mark in told] == [Status.COMPLETED]

    lobby.watches.stop()
    assert (await ended(wait)).met == [TWO]


async def test_what_one_wait_reads_counts_for_the_others(lobby: Lobby) -> None:
    first = await lobby.waiting(goal(ONE, TWO))
    lobby.elsewhere(TWO, Status.COMPLETED)

    second = lobby.start(goal(TWO))

    assert await ended(second) == seen([TWO], [])
    assert await ended(first) == seen([TWO], [ONE])
