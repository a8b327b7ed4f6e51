"""Claims that wait and are answered otherwise: repeats under a key, refusals and faults."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from orchestrion.core.errors import ErrorCode
from orchestrion.core.faults import Unavailable
from orchestrion.core.outcomes import Held, NoTask, Outcome, Rejection
from orchestrion.core.plans import Catalogue
from orchestrion.engine.room import Patience
from tests.databases import Database, add_tasks
from tests.engine.engines import Engine, EngineOptions, running_engine
from tests.engine.waiting_room import WaitingRoom, ended, given_up, task_of
from tests.factories import a_plan, a_task, a_task_id, expect
from tests.unit import asks


@pytest.fixture
def room(engine: Engine) -> WaitingRoom:
    """A place to wait in, and nobody there."""
    return WaitingRoom(engine)


# --- claims under a key


async def test_a_repeat_is_answered_at_once_whoever_waits(room: WaitingRoom) -> None:
    await room.engine.together(
        [asks.create(1, max_attempts=1), asks.claim_next(1, lease=asks.a_keyed_lease(1))]
    )
    other = await room.waiting(2)

    (outcome,) = await ended([room.start(3, lease=asks.a_keyed_lease(3))])

    repeat = expect(Held, outcome)
    assert (repeat.replayed, repeat.task.lease_token) == (True, asks.a_token(1))
    await room.quiet()
    assert not other.done()
    await given_up(other)


async def test_a_first_claim_under_a_key_stands_behind_those_who_wait(room: WaitingRoom) -> None:
    other = await room.waiting(1)
    keyed = await room.waiting(2, lease=asks.a_keyed_lease(2))

    await room.engine.together([asks.create(1)])
    assert (await task_of(other)).id == a_task_id(1)
    await room.quiet()
    assert not keyed.done()
    await room.engine.together([asks.create(2)])

    assert (await task_of(keyed)).id == a_task_id(2)


@pytest.mark.parametrize("digest", [asks.SAME, b"other" * 6 + b"!!"], ids=["repeat", "conflict"])
async def test_who_is_answered_for_its_key_leaves_the_task_to_the_next(
    digest: bytes, room: WaitingRoom
) -> None:
    """Two wait under one key; the second does not take what it is woken for."""
    first = await room.waiting(1, lease=asks.a_keyed_lease(1))
    second = await room.waiting(2, lease=asks.a_keyed_lease(2, digest=digest))
    third = await room.waiting(3)

    await room.engine.together([asks.create(1)])
    assert (await task_of(first)).id == a_task_id(1)
    await room.quiet()
    await room.engine.together([asks.create(2)])

    (outcome,) = await ended([second])
    assert isinstance(outcome, Held if digest == asks.SAME else Rejection)
    assert (await task_of(third)).id == a_task_id(2)


async def test_who_waited_under_a_key_asks_once_more_at_the_end(room: WaitingRoom) -> None:
    """What another request claimed under the key meanwhile is its answer."""
    keyed = await room.waiting(1, lease=asks.a_keyed_lease(1))
    await room.engine.together(
        [asks.create(1), asks.claim_task(a_task_id(1), lease=asks.a_keyed_lease(2))]
    )
    await room.pass_time(20.1)

    outcome = expect(Held, (await ended([keyed]))[0])

    assert (outcome.replayed, outcome.task.lease_token) == (True, asks.a_token(2))


# --- refusals and faults


@pytest.fixture
async def busy(database: Database) -> AsyncIterator[WaitingRoom]:
    """Two wait; then the only worker that the plan allows takes a task of another type."""
    catalogue = Catalogue(plans={"free": a_plan(max_workers=1)})
    async with running_engine(database, EngineOptions(catalogue=catalogue)) as engine:
        yield WaitingRoom(engine)


async def busy_line(room: WaitingRoom) -> list[asyncio.Task[Outcome]]:
    claims = await room.line(1, 2)
    await room.engine.together([asks.create(50, type="mail")])
    await room.engine.together([asks.claim_task(a_task_id(50), 50)])
    return claims


async def test_whoever_comes_while_the_account_is_full_hears_so_at_once(busy: WaitingRoom) -> None:
    """Not the first of those who wait, which asks in its place."""
    claims = await busy_line(busy)

    newcomer = busy.start(3)

    (outcome,) = await ended([newcomer])
    assert expect(Rejection, outcome).code is ErrorCode.MAX_WORKERS_REACHED
    await busy.quiet()
    assert not any(claim.done() for claim in claims)
    busy.waiters.stop()
    assert [type(outcome) for outcome in await ended(claims)] == [NoTask] * 2


async def test_whoever_is_alone_hears_at_once_that_the_account_is_full(busy: WaitingRoom) -> None:
    claims = await busy_line(busy)
    for claim in claims:
        await given_up(claim)

    (outcome,) = await ended([busy.start(3)])

    assert expect(Rejection, outcome).code is ErrorCode.MAX_WORKERS_REACHED


async def test_a_repeat_is_answered_though_the_account_is_full_and_others_wait(
    busy: WaitingRoom,
) -> None:
    """The first of the line asks for it too, and is refused before."""
    claims = await busy.line(1, 2)
    await busy.engine.together([asks.create(50, type="mail")])
    await busy.engine.together([asks.claim_task(a_task_id(50), lease=asks.a_keyed_lease(50))])

    (outcome,) = await ended([busy.start(3, lease=asks.a_keyed_lease(3))])

    assert expect(Held, outcome).task.id == a_task_id(50)
    await busy.quiet()
    assert not any(claim.done() for claim in claims)
    busy.waiters.stop()
    await ended(claims)


async def test_looks_send_nobody_away_while_the_account_is_full(busy: WaitingRoom) -> None:
    claims = await busy_line(busy)
    await busy.engine.together([asks.create(1)])
    for _ in range(3):
        await busy.look()

    assert not any(claim.done() for claim in claims)
    await busy.pass_time(20.1)

    codes = [expect(Rejection, outcome).code for outcome in await ended(claims)]
    assert codes == [ErrorCode.MAX_WORKERS_REACHED] * 2


async def test_when_a_lease_of_a_full_account_ends_the_first_in_line_asks(
    busy: WaitingRoom,
) -> None:
    claims = await busy_line(busy)
    await busy.engine.together([asks.create(1), asks.create(2)])
    await busy.quiet()

    await busy.engine.together([asks.complete(a_task_id(50))])

    assert (await task_of(claims[0])).id == a_task_id(1)
    await busy.quiet()
    assert not claims[1].done()
    await busy.engine.together([asks.complete(a_task_id(1))])
    assert (await task_of(claims[1])).id == a_task_id(2)


async def test_who_left_a_full_account_is_forgotten(busy: WaitingRoom) -> None:
    claims = await busy_line(busy)
    await busy.engine.together([asks.create(1)])
    await busy.quiet()
    for claim in claims:
        await given_up(claim)

    await busy.engine.together([asks.complete(a_task_id(50))])

    assert (await task_of(busy.start(3))).id == a_task_id(1)


async def test_where_the_writer_takes_nothing_more_only_whoever_asked_hears_so(
    room: WaitingRoom,
) -> None:
    claims = await room.line(1, 2)
    add_tasks(room.engine.database, [a_task(id=a_task_id(1))])
    room.engine.writer.stop()

    await room.look()

    (outcome,) = await ended(claims[:1])
    assert expect(Rejection, outcome).status == 503
    assert not claims[1].done()
    await given_up(claims[1])


async def test_a_fault_reaches_only_whoever_asked(database: Database) -> None:
    trouble = database.trouble
    async with running_engine(database) as engine:
        room = WaitingRoom(engine)
        claims = await room.line(1, 2)
        add_tasks(database, [a_task(id=a_task_id(1))])
        trouble.full = True

        await room.look()

        with pytest.raises(Unavailable):
            await claims[0]
        assert not claims[1].done()
        trouble.full = False
        # It was sent for nothing: the next is sent as soon as somebody has looked.
        assert room.waiters.unknown.is_set()
        await room.lookout.look(room.waiters.unknown_lines())
        assert (await task_of(claims[1])).id == a_task_id(1)


async def test_no_more_of_an_account_wait_than_may(room: WaitingRoom) -> None:
    few = Patience(seconds=20, waiters_max=2)
    claims = await room.line(1, 2)

    refused = expect(Rejection, (await ended([room.start(3, patience=few)]))[0])

    assert (refused.code, refused.wait_seconds) == (ErrorCode.RATE_LIMITED, 5)
    assert "wait" in refused.message
    await given_up(claims[0])
    await room.quiet()
    claims[0] = await room.waiting(4, patience=few)
    room.waiters.stop()
    await ended(claims)


async def test_no_more_wait_than_a_process_can_hold(engine: Engine) -> None:
    room = WaitingRoom(engine, waiters_max=2)
    claims = await room.line(1, 2)

    refused = expect(Rejection, (await ended([room.start(3)]))[0])

    assert (refused.code, refused.status) == (ErrorCode.SERVER_ERROR, 503)
    room.waiters.stop()
    await ended(claims)


async def test_where_nobody_more_may_wait_a_task_that_is_there_is_handed_out(
    engine: Engine,
) -> None:
    room = WaitingRoom(engine, waiters_max=0)
    await engine.together([asks.create(1)])

    assert (await task_of(room.start(1))).id == a_task_id(1)
