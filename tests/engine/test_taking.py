"""Claims that do not wait, made for callers that leave: nothing stays with them."""

import asyncio

import pytest

from orchestrion.core.commands import FinishAndClaim
from orchestrion.core.outcomes import Held, Outcome
from orchestrion.engine.taking import Claim, Taking
from tests.engine.engines import Engine
from tests.engine.waiting_room import committing, given_up, until
from tests.factories import ACCOUNT_ID, a_task_id, expect
from tests.unit import asks

PENDING = "select count(*) from tasks where status = 'pending' and attempt_count = 0"
HELD = "select count(*) from tasks where status = 'claimed'"
DONE = "select count(*) from tasks where status = 'completed'"


@pytest.fixture
def taking(engine: Engine) -> Taking:
    return Taking(engine.writer)


async def left_while_committing(engine: Engine, taking: Taking, command: Claim) -> None:
    """Make a claim whose caller leaves while it is being committed."""
    engine.watched.go_on.clear()
    calls = engine.watched.calls
    claim: asyncio.Task[Outcome] = asyncio.create_task(taking.claim(command))
    await committing(engine, calls + 1)
    await given_up(claim)
    engine.watched.go_on.set()


async def test_a_caller_that_stays_gets_its_task(engine: Engine, taking: Taking) -> None:
    await engine.together([asks.create(1)])

    assert expect(Held, await taking.claim(asks.claim_next(1))).task.id == a_task_id(1)


@pytest.mark.parametrize(
    "command", [asks.claim_next(1), asks.claim_task(a_task_id(1), 1)], ids=["by type", "by id"]
)
async def test_a_caller_that_left_gives_its_task_back(
    engine: Engine, taking: Taking, command: Claim
) -> None:
    await engine.together([asks.create(1)])

    await left_while_committing(engine, taking, command)

    await until(lambda: engine.count(PENDING) == 1)


@pytest.mark.parametrize("by", ["type", "id"])
async def test_what_a_caller_that_left_claimed_under_a_key_waits_for_its_repeat(
    engine: Engine, taking: Taking, by: str
) -> None:
    await engine.together([asks.create(1), asks.create(2)])

    def command(number: int) -> Claim:
        lease = asks.a_keyed_lease(number)
        if by == "id":
            return asks.claim_task(a_task_id(1), lease=lease)
        return asks.claim_next(lease=lease)

    await left_while_committing(engine, taking, command(1))
    again = expect(Held, await taking.claim(command(2)))

    assert again.replayed
    assert (again.task.id, again.task.lease_token) == (a_task_id(1), asks.a_token(1))
    assert (engine.count(HELD), engine.count(PENDING)) == (1, 1)


async def test_it_gives_back_all_that_it_got(engine: Engine, taking: Taking) -> None:
    await engine.together(asks.create(number) for number in range(3))
    command = asks.claim_next(1, more=(asks.a_token(2), asks.a_token(3)))

    await left_while_committing(engine, taking, command)

    await until(lambda: engine.count(PENDING) == 3)


async def test_what_it_ended_stays_ended(engine: Engine, taking: Taking) -> None:
    await engine.together([asks.create(1), asks.create(2), asks.claim_next(1)])
    finish = asks.complete(a_task_id(1), asks.a_token(1))
    command = FinishAndClaim(account_id=ACCOUNT_ID, finish=finish, claim=asks.claim_next(2))

    await left_while_committing(engine, taking, command)

    await until(lambda: (engine.count(DONE), engine.count(PENDING)) == (1, 1))
    assert engine.count(HELD) == 0


async def test_a_caller_that_left_in_the_moment_of_its_answer_gives_its_task_back(
    engine: Engine, taking: Taking
) -> None:
    await engine.together([asks.create(1)])
    claim = asyncio.create_task(taking.claim(asks.claim_next(1)))
    loop = asyncio.get_running_loop()
    engine.watched.after_commit = lambda: loop.call_soon(claim.cancel)

    await asyncio.wait([claim])

    engine.watched.after_commit = lambda: None
    assert claim.cancelled()
    await until(lambda: engine.count(PENDING) == 1)


async def test_what_cannot_be_given_back_now_is_left_to_its_lease(
    engine: Engine, taking: Taking
) -> None:
    await engine.together([asks.create(1)])
    outcome = await taking.claim(asks.claim_next(1))
    engine.writer.stop()

    taking.undo(outcome)
    await engine.running

    assert engine.count(HELD) == 1
