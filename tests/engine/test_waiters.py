"""Claims that wait: who is woken, in which order, for what, and who is answered empty."""

import asyncio

import pytest

from orchestrion.core.claimable import ALREADY, Claimable
from orchestrion.core.ids import AccountId
from orchestrion.core.instants import SECOND, Instant
from orchestrion.core.outcomes import Held, NoTask
from orchestrion.engine.asked import Asked
from orchestrion.engine.room import Patience
from tests.databases import add_tasks
from tests.engine.engines import Engine
from tests.engine.lanes import register
from tests.engine.waiting_room import (
    WaitingRoom,
    caught,
    committing,
    ended,
    given_up,
    nothing_for,
    task_of,
    until,
)
from tests.factories import ACCOUNT_ID, a_task, a_task_id, expect
from tests.unit import asks


@pytest.fixture
def room(engine: Engine) -> WaitingRoom:
    """A place to wait in, and nobody there."""
    return WaitingRoom(engine)


def tokens(outcomes: list[object]) -> list[str]:
    return [str(outcome.task.lease_token) for outcome in outcomes if isinstance(outcome, Held)]


# --- what wakes


async def test_a_claim_that_finds_a_task_does_not_wait(room: WaitingRoom) -> None:
    await room.engine.together([asks.create(1)])

    assert (await task_of(room.start(1))).id == a_task_id(1)
    assert room.waiters.room.taken == 0


async def test_a_task_created_later_is_handed_to_who_waits(room: WaitingRoom) -> None:
    claim = await room.waiting(1)

    await room.engine.together([asks.create(1)])

    task = await task_of(claim)
    assert (task.id, task.lease_token, task.attempt_count) == (a_task_id(1), asks.a_token(1), 1)


async def test_a_task_created_while_a_claim_is_asking_is_not_missed(room: WaitingRoom) -> None:
    """The claim is decided before the task is committed, and answered after it."""
    room.engine.watched.go_on.clear()
    claim = room.start(1)
    await committing(room.engine, 1)
    create = asyncio.create_task(room.engine.writer.submit(asks.create(1)))
    await caught(lambda: room.engine.writer.depth == 1)
    room.engine.watched.go_on.set()

    assert (await task_of(claim)).id == a_task_id(1)
    await create


async def test_a_task_that_is_seen_while_a_claim_is_asking_is_not_missed(
    room: WaitingRoom,
) -> None:
    """Another process made it after the claim was decided, and the claim has not heard yet."""
    room.engine.watched.go_on.clear()
    claim = room.start(1)
    await committing(room.engine, 1)
    await room.engine.watched.committed.wait()
    add_tasks(room.engine.database, [a_task(id=a_task_id(1))])
    await room.lookout.look(room.waiters.lines())
    room.engine.watched.go_on.set()

    assert (await task_of(claim)).id == a_task_id(1)


async def test_tasks_that_another_process_tells_of_while_claims_ask_are_not_missed(
    room: WaitingRoom,
) -> None:
    room.engine.watched.go_on.clear()
    claims = [room.start(number) for number in (1, 2)]
    await committing(room.engine, 1)
    await room.engine.watched.committed.wait()
    add_tasks(room.engine.database, (a_task(id=a_task_id(number)) for number in (1, 2)))
    room.waiters.wake([Claimable(ACCOUNT_ID, "report", 2, ALREADY)])
    room.engine.watched.go_on.set()

    assert [(await task_of(claim)).id for claim in claims] == [a_task_id(1), a_task_id(2)]


async def test_what_is_waited_for_is_known(room: WaitingRoom) -> None:
    claim = await room.waiting(1, "mail", "report")

    waited = [room.waiters.waits_for((ACCOUNT_ID, name)) for name in ("mail", "report", "fax")]
    assert waited == [True, True, False]
    assert Asked(room.engine.clock, room.waiters).at(ACCOUNT_ID, "mail") == room.engine.clock.now()
    await given_up(claim)
    assert not room.waiters.waits_for((ACCOUNT_ID, "mail"))


async def test_what_was_failed_released_or_requeued_wakes(room: WaitingRoom) -> None:
    await room.engine.together([asks.create(1, max_attempts=2), asks.claim_next(1)])
    task_id = a_task_id(1)

    claim = await room.waiting(2)
    await room.engine.together([asks.fail(task_id, asks.a_token(1))])
    assert (await task_of(claim)).attempt_count == 2

    claim = await room.waiting(3)
    await room.engine.together([asks.release(task_id, asks.a_token(2))])
    assert (await task_of(claim)).attempt_count == 2

    claim = await room.waiting(4)
    await room.engine.together([asks.fail(task_id, asks.a_token(3)), asks.requeue(task_id)])
    assert (await task_of(claim)).attempt_count == 1


async def test_a_lease_that_a_sweep_ends_wakes(room: WaitingRoom) -> None:
    await room.engine.together([asks.create(1), asks.claim_next(1)])
    claim = await room.waiting(2)
    room.engine.clock.advance(301)

    await room.engine.together([asks.expire(a_task(id=a_task_id(1)))])

    assert (await task_of(claim)).lease_token == asks.a_token(2)


async def test_a_task_scheduled_for_later_wakes_when_it_is_due(room: WaitingRoom) -> None:
    claim = await room.waiting(1)
    due = Instant(room.engine.clock.now() + 5 * SECOND)
    await room.engine.together([asks.create(1, scheduled_at=due), asks.create(2, type="mail")])

    await room.pass_time(4.999)
    assert not claim.done()
    await room.pass_time(0.001)

    assert (await task_of(claim)).id == a_task_id(1)


async def test_the_earliest_of_several_scheduled_tasks_wakes(room: WaitingRoom) -> None:
    claims = await room.line(1, 2)
    now = room.engine.clock.now()
    for number, seconds in ((1, 8), (2, 3), (3, 6)):
        due = Instant(now + seconds * SECOND)
        await room.engine.together([asks.create(number, scheduled_at=due)])

    await room.pass_time(3)
    assert (await task_of(claims[0])).id == a_task_id(2)
    await room.look()
    await room.pass_time(3)

    assert (await task_of(claims[1])).id == a_task_id(3)


async def test_all_that_becomes_due_at_once_is_handed_out(room: WaitingRoom) -> None:
    claims = await room.line(*range(7))
    due = Instant(room.engine.clock.now() + 5 * SECOND)
    await room.engine.together(asks.create(number, scheduled_at=due) for number in range(7))

    await room.pass_time(5)

    outcomes = await ended(claims)
    assert {expect(Held, outcome).task.id for outcome in outcomes} == set(map(a_task_id, range(7)))


async def test_tasks_of_other_types_and_accounts_wake_nobody(room: WaitingRoom) -> None:
    other = AccountId("acct_other")
    await room.engine.together([register(other)])
    claim = await room.waiting(1)
    before = room.engine.watched.calls

    await room.engine.together([asks.create(1, type="mail"), asks.create(2, account_id=other)])
    await room.quiet()

    assert not claim.done()
    # One transaction, or one per account: of the creations alone.
    assert room.engine.watched.calls - before <= 2
    await given_up(claim)


async def test_who_waits_idly_costs_the_writer_nothing(room: WaitingRoom) -> None:
    claims = await room.line(*range(20))
    before = room.engine.watched.calls

    await room.pass_time(19)

    assert room.engine.watched.calls == before
    assert not any(claim.done() for claim in claims)
    room.waiters.stop()
    await ended(claims)


# --- the order


async def test_tasks_go_to_those_who_wait_in_the_order_they_came(room: WaitingRoom) -> None:
    claims = await room.line(1, 2, 3)

    for number in range(3):
        await room.engine.together([asks.create(number)])
        assert (await task_of(claims[number])).id == a_task_id(number)
        await room.quiet()
        assert [claim.done() for claim in claims].count(True) == number + 1


async def test_tasks_created_together_wake_as_many(room: WaitingRoom) -> None:
    claims = await room.line(1, 2, 3, 4)

    await room.engine.together(asks.create(number) for number in range(3))

    outcomes = await ended(claims[:3])
    assert [expect(Held, one).task.id for one in outcomes] == list(map(a_task_id, range(3)))
    await room.quiet()
    assert not claims[3].done()
    await given_up(claims[3])


async def test_who_finds_nothing_keeps_its_place(room: WaitingRoom) -> None:
    """Another claim, which does not wait, was quicker."""
    claims = await room.line(1, 2)
    room.engine.watched.go_on.clear()
    create = asyncio.create_task(room.engine.writer.submit(asks.create(1)))
    await committing(room.engine, 3)
    quicker = asyncio.create_task(room.engine.writer.submit(asks.claim_next(9)))
    await caught(lambda: room.engine.writer.depth == 1)
    room.engine.watched.go_on.set()
    assert isinstance(await quicker, Held)
    await create
    await room.quiet()

    await room.engine.together([asks.create(2)])

    assert (await task_of(claims[0])).id == a_task_id(2)
    assert not claims[1].done()
    await given_up(claims[1])


async def test_a_claim_that_comes_while_others_wait_stands_behind_them(room: WaitingRoom) -> None:
    """It prompts the first of them to ask, so what nobody was woken for is found all the same."""
    claims = await room.line(1, 2)
    add_tasks(room.engine.database, [a_task(id=a_task_id(1))])

    last = room.start(3)

    assert (await task_of(claims[0])).id == a_task_id(1)
    await room.quiet()
    assert not claims[1].done()
    assert not last.done()
    await given_up(claims[1])
    await given_up(last)


async def test_a_claim_and_a_task_that_come_in_one_batch_keep_the_line(room: WaitingRoom) -> None:
    """The first in line asks for the claim, before the task is there, and is sent once more."""
    claims = await room.line(1, 2, 3)

    for number in range(3):
        newcomer = room.start(50 + number)
        create = asyncio.create_task(room.engine.writer.submit(asks.create(number)))
        assert (await task_of(claims[number])).id == a_task_id(number)
        await create
        await room.quiet()
        assert not any(claim.done() for claim in (*claims[number + 1 :], newcomer))

    room.waiters.stop()


async def test_a_crowd_of_claims_is_served_in_one_wave(room: WaitingRoom) -> None:
    """While there is work nobody waits for another's turn."""
    await room.engine.together(asks.create(number) for number in range(64))
    before = room.engine.watched.calls

    outcomes = await ended([room.start(number) for number in range(64)])

    assert len({expect(Held, outcome).task.id for outcome in outcomes}) == 64
    assert room.engine.watched.calls == before + 1


# --- several types


async def test_whoever_waits_for_several_types_takes_the_first_of_any(room: WaitingRoom) -> None:
    both = await room.waiting(1, "mail", "report")
    report = await room.waiting(2)

    await room.engine.together([asks.create(1, type="mail")])
    assert (await task_of(both)).type == "mail"
    await room.engine.together([asks.create(2)])

    assert (await task_of(report)).id == a_task_id(2)


async def test_whoever_waits_for_several_types_keeps_its_place_in_each(room: WaitingRoom) -> None:
    mail = await room.waiting(1, "mail")
    both = await room.waiting(2, "mail", "report")
    report = await room.waiting(3)

    await room.engine.together([asks.create(1, type="mail")])
    assert (await task_of(mail)).id == a_task_id(1)
    await room.engine.together([asks.create(2)])
    assert (await task_of(both)).id == a_task_id(2)
    await room.engine.together([asks.create(3)])

    assert (await task_of(report)).id == a_task_id(3)


async def test_a_task_whose_waiter_took_another_goes_to_the_next(room: WaitingRoom) -> None:
    both = await room.waiting(1, "mail", "report")
    report = await room.waiting(2)
    room.engine.watched.go_on.clear()
    first = asyncio.create_task(room.engine.writer.submit(asks.create(1)))
    calls = room.engine.watched.calls
    await committing(room.engine, calls + 1)
    # Decided in one batch with the creation of a task that comes before the first one.
    second = asyncio.create_task(room.engine.writer.submit(asks.create(2, type="mail", priority=9)))
    await caught(lambda: room.engine.writer.depth == 1)
    room.engine.watched.go_on.set()

    assert (await task_of(both)).type == "mail"
    assert (await task_of(report)).id == a_task_id(1)
    await asyncio.gather(first, second)


# --- the end of the wait


async def test_whoever_got_nothing_is_answered_empty_when_its_time_is_up(room: WaitingRoom) -> None:
    claim = await room.waiting(1)
    longer = await room.waiting(2, patience=Patience(seconds=50, waiters_max=9))
    before = room.engine.watched.calls

    await room.pass_time(19.9)
    assert not claim.done()
    await room.pass_time(0.2)

    empty = await nothing_for(claim)
    assert empty == NoTask(now=room.engine.clock.now(), waited=True)
    assert room.engine.watched.calls == before
    assert room.waiters.room.taken == 1
    await given_up(longer)


async def test_nobody_is_sent_away_before_it_has_asked_itself(room: WaitingRoom) -> None:
    """Nobody was woken for the task; and the last to come had others ask in its place."""
    first = await room.waiting(1)
    last = await room.waiting(2, patience=Patience(seconds=1, waiters_max=9))
    add_tasks(room.engine.database, [a_task(id=a_task_id(1))])

    await room.pass_time(1)

    assert (await task_of(last)).id == a_task_id(1)
    await given_up(first)


async def test_whoever_is_asking_when_its_time_is_up_gets_what_it_finds(room: WaitingRoom) -> None:
    claim = await room.waiting(1)
    room.engine.watched.go_on.clear()
    create = asyncio.create_task(room.engine.writer.submit(asks.create(1)))
    await committing(room.engine, 2)
    room.engine.watched.go_on.set()
    await caught(lambda: room.waiters.asking == 1)

    room.engine.clock.advance(60)
    room.waiters.turn()

    assert (await task_of(claim)).id == a_task_id(1)
    await create


async def test_a_stop_answers_everybody_at_once(room: WaitingRoom) -> None:
    claims = await room.line(1, 2, 3)

    room.waiters.stop()

    assert [type(outcome) for outcome in await ended(claims)] == [NoTask] * 3
    assert room.waiters.room.taken == 0
    await nothing_for(room.start(4))


async def test_a_stop_lets_whoever_is_asking_take_what_it_finds(room: WaitingRoom) -> None:
    await room.engine.together([asks.create(1)])
    claims = [room.start(number) for number in range(2)]
    await caught(lambda: room.waiters.asking == 2)

    room.waiters.stop()

    assert [type(outcome) for outcome in await ended(claims)] == [Held, NoTask]


async def test_a_claim_without_patience_is_answered_at_once(room: WaitingRoom) -> None:
    await nothing_for(room.start(1, patience=Patience(seconds=0, waiters_max=9)))


# --- callers that leave


async def test_whoever_left_is_passed_over(room: WaitingRoom) -> None:
    claims = await room.line(1, 2)
    await given_up(claims[0])

    await room.engine.together([asks.create(1)])

    assert (await task_of(claims[1])).id == a_task_id(1)
    assert room.waiters.room.taken == 0


async def test_whoever_leaves_before_its_claim_is_committed_gets_no_task(room: WaitingRoom) -> None:
    await room.engine.together([asks.create(1)])
    room.engine.watched.go_on.clear()
    other = asyncio.create_task(room.engine.writer.submit(asks.create(2)))
    await committing(room.engine, 2)
    claim = room.start(1)
    await caught(lambda: room.engine.writer.depth == 1)

    await given_up(claim)
    room.engine.watched.go_on.set()
    await other
    await room.quiet()

    assert room.engine.count("select count(*) from tasks where attempt_count > 0") == 0
    assert room.engine.watched.calls == 2


async def test_who_was_sent_for_what_nobody_counted_and_left_sends_the_next(
    room: WaitingRoom,
) -> None:
    claims = await room.line(1, 2)
    add_tasks(room.engine.database, [a_task(id=a_task_id(7))])
    room.engine.watched.go_on.clear()
    calls = room.engine.watched.calls
    other = asyncio.create_task(room.engine.writer.submit(asks.create(1, type="mail")))
    await committing(room.engine, calls + 1)
    await room.lookout.look(room.waiters.lines())

    await given_up(claims[0])
    room.engine.watched.go_on.set()
    await other

    assert (await task_of(claims[1])).id == a_task_id(7)


async def test_whoever_leaves_before_its_answer_gives_the_task_back_uncharged(
    room: WaitingRoom,
) -> None:
    claims = await room.line(1, 2)
    room.engine.watched.go_on.clear()
    create = asyncio.create_task(room.engine.writer.submit(asks.create(1, max_attempts=1)))
    await committing(room.engine, 3)
    room.engine.watched.go_on.set()
    await caught(lambda: room.waiters.asking == 1)
    room.engine.watched.go_on.clear()
    await committing(room.engine, 4)

    await given_up(claims[0])
    room.engine.watched.go_on.set()

    task = await task_of(claims[1])
    assert (task.attempt_count, task.release_count) == (1, 0)
    assert task.lease_token == asks.a_token(2)
    await create


async def test_whoever_leaves_in_the_moment_of_its_answer_gives_the_task_back(
    room: WaitingRoom,
) -> None:
    claim = await room.waiting(1)
    room.engine.watched.after_commit = lambda: (
        asyncio.get_running_loop().call_soon(claim.cancel) if room.waiters.asking else None
    )

    await room.engine.together([asks.create(1)])
    await asyncio.wait([claim])
    room.engine.watched.after_commit = lambda: None
    pending = "select count(*) from tasks where status = 'pending' and attempt_count = 0"
    await until(lambda: room.engine.count(pending) == 1)

    assert claim.cancelled()


async def test_giving_back_unheard_claims_is_not_counted_against_the_task(
    room: WaitingRoom,
) -> None:
    """Releases are: after ten of them a task is taken to have failed."""
    await room.engine.together([asks.create(1)])
    for number in range(12):
        room.engine.watched.go_on.clear()
        calls = room.engine.watched.calls
        claim = room.start(number)
        await committing(room.engine, calls + 1)
        await given_up(claim)
        room.engine.watched.go_on.set()
        # Given back, in the batch after the claim's; and that one has ended when a later one has.
        await committing(room.engine, calls + 2)
        await room.engine.together([asks.complete(a_task_id(99))])

    task = await task_of(room.start(99))
    assert (task.attempt_count, task.release_count) == (1, 0)


async def test_a_claim_under_a_key_stands_for_its_repeat(room: WaitingRoom) -> None:
    lease = asks.a_lease(1)
    keyed = type(lease)(worker_id="me", token=lease.token, key="k", digest=b"d" * 32)
    await room.engine.together([asks.create(1)])
    room.engine.watched.go_on.clear()
    claim = room.start(1, lease=keyed)
    await committing(room.engine, 2)
    await given_up(claim)
    room.engine.watched.go_on.set()
    await room.quiet()

    again = type(lease)(worker_id="me", token=asks.a_token(2), key="k", digest=b"d" * 32)
    outcome = expect(Held, (await ended([room.start(2, lease=again)]))[0])

    assert (outcome.replayed, outcome.task.lease_token) == (True, asks.a_token(1))
