"""Several transactions at a time, and batches of one account: who shares, who waits, who ends."""

import asyncio
from collections.abc import AsyncIterator
from itertools import chain

import pytest

from orchestrion.core.account import RequestCount
from orchestrion.core.commands import Command, CountRequests
from orchestrion.core.errors import ErrorCode
from orchestrion.core.ids import AccountId, KeyId
from orchestrion.core.outcomes import Changed, Counted, Outcome, Rejection
from orchestrion.engine.overload import QueueLimits
from tests.clocks import START
from tests.engine.engines import Engine
from tests.engine.lanes import Lanes, lanes, register
from tests.factories import a_task_id, expect
from tests.unit import asks

ANNA, BERT, CARL = (AccountId(f"acct_{name}") for name in ("anna", "bert", "carl"))
ALONE = frozenset[AccountId]()
SMALL_BATCHES = QueueLimits(batch_max=10)


@pytest.fixture
async def engine(engine: Engine) -> Engine:
    """Three accounts."""
    await engine.together(map(register, (ANNA, BERT, CARL)))
    return engine


@pytest.fixture
async def by_account(engine: Engine) -> AsyncIterator[Lanes]:
    """Two lanes, each of which takes one account at a time."""
    async with lanes(engine, one_account=True, lanes=2) as running:
        yield running


@pytest.fixture
async def mixed(engine: Engine) -> AsyncIterator[Lanes]:
    """Two lanes for whatever comes."""
    async with lanes(engine, one_account=False, lanes=2) as running:
        yield running


def creates(account_id: AccountId, first: int, count: int) -> list[Command]:
    return [asks.create(first + number, account_id=account_id) for number in range(count)]


def a_count(account_id: AccountId) -> RequestCount:
    return RequestCount(
        account_id=account_id, key_id=KeyId("key_1"), kind="reads", window_at=START, count=1
    )


async def ended(lanes: Lanes) -> None:
    """Stop, and wait until everything accepted is committed."""
    lanes.writer.stop()
    await lanes.running


# --- batches of one account


async def test_each_batch_is_of_one_account_and_accounts_come_in_the_order_they_came(
    engine: Engine,
) -> None:
    async with lanes(engine, one_account=True, lanes=1) as single:
        mixture = chain(*zip(creates(BERT, 0, 5), creates(ANNA, 0, 5), strict=True))
        outcomes = await single.together([*mixture, *creates(CARL, 0, 5)])

    assert all(isinstance(outcome, Changed) for outcome in outcomes)
    assert single.store.batches == [{BERT}, {ANNA}, {CARL}]


async def test_a_crowd_of_one_account_keeps_no_other_waiting(engine: Engine) -> None:
    async with lanes(engine, one_account=True, lanes=1, queue=SMALL_BATCHES) as single:
        await single.together([*creates(ANNA, 0, 35), *creates(BERT, 0, 1), *creates(CARL, 0, 12)])

    assert single.store.batches == [{ANNA}, {BERT}, {CARL}, {ANNA}, {CARL}, {ANNA}, {ANNA}]


async def test_what_arrives_while_an_account_is_being_committed_waits_its_turn(
    by_account: Lanes,
) -> None:
    gate = by_account.store.close(ANNA)
    first = asyncio.create_task(by_account.writer.submit(asks.create(1, account_id=ANNA)))
    await by_account.store.until_running(ANNA)
    more = asyncio.create_task(by_account.together(creates(ANNA, 2, 5)))

    await by_account.together(creates(BERT, 0, 1))

    assert by_account.writer.depth == 5
    assert by_account.store.batches == [{ANNA}, {BERT}]
    gate.set()
    await asyncio.gather(first, more)
    assert by_account.store.batches == [{ANNA}, {BERT}, {ANNA}]
    assert by_account.writer.depth == 0


async def test_commands_that_concern_several_accounts_go_alone(engine: Engine) -> None:
    counts = CountRequests(counts=(a_count(ANNA), a_count(BERT)))
    async with lanes(engine, one_account=True, lanes=1) as single:
        outcomes = await single.together(
            [*creates(ANNA, 0, 1), counts, *creates(ANNA, 1, 1), counts, register(AccountId("new"))]
        )

    assert single.store.batches == [{ANNA}, {ANNA, BERT}, {ANNA, BERT}, ALONE]
    assert [one.count for one in expect(Counted, outcomes[3]).counts] == [2, 2]


async def test_callers_that_hung_up_cost_their_account_no_batch(engine: Engine) -> None:
    async with lanes(engine, one_account=True, lanes=1) as single:
        gone = [
            asyncio.create_task(single.writer.submit(command))
            for command in (*creates(ANNA, 0, 3), CountRequests(counts=(a_count(ANNA),)))
        ]
        await asyncio.sleep(0)
        for one in gone:
            one.cancel()
        await asyncio.wait(gone)

        await single.together(creates(BERT, 0, 1))
        await single.together(creates(ANNA, 3, 1))

    assert single.store.batches == [{BERT}, {ANNA}]
    assert engine.count("select count(*) from tasks") == 2


async def test_a_claim_that_must_look_again_goes_before_its_accounts_others(
    by_account: Lanes, engine: Engine
) -> None:
    """More dead leases than a claim loads hide the living task behind them."""
    numbers = range(40)
    await by_account.together(
        asks.create(number, account_id=ANNA, max_attempts=1, lease_seconds=30) for number in numbers
    )
    await by_account.together(
        asks.claim_task(a_task_id(number), number, account_id=ANNA) for number in numbers
    )
    await by_account.together([asks.create(50, account_id=ANNA, max_attempts=1)])
    engine.clock.advance(31)
    before = len(by_account.store.batches)

    claimed, empty = await by_account.together(
        [asks.claim_next(60, account_id=ANNA), asks.claim_next(61, account_id=ANNA)]
    )

    assert getattr(claimed, "task").id == a_task_id(50)  # noqa: B009 - whatever it is, it shows
    assert not hasattr(empty, "task")
    assert len(by_account.store.batches) - before == 2


# --- several at a time


async def test_accounts_are_committed_side_by_side(by_account: Lanes) -> None:
    gates = [by_account.store.close(one) for one in (ANNA, BERT, CARL)]
    work = asyncio.create_task(
        by_account.together([*creates(ANNA, 0, 3), *creates(BERT, 0, 3), *creates(CARL, 0, 3)])
    )

    await by_account.store.until_running(ANNA, BERT)
    gates[1].set()
    await by_account.store.until_running(ANNA, CARL)

    gates[0].set()
    gates[2].set()
    assert all(isinstance(outcome, Changed) for outcome in await work)


async def test_an_account_whose_turn_ends_is_taken_up_by_a_lane_that_rests(
    engine: Engine,
) -> None:
    async with lanes(engine, one_account=True, lanes=2, queue=SMALL_BATCHES) as two:
        anna, bert = two.store.close(ANNA), two.store.close(BERT)
        work = asyncio.create_task(two.together(creates(ANNA, 0, 11)))
        await two.store.until_running(ANNA)
        more = asyncio.create_task(two.together(creates(BERT, 0, 11)))
        await two.store.until_running(ANNA, BERT)
        bert.set()
        await more

        anna.set()

        await work
    assert sorted(map(sorted, two.store.batches)) == [[ANNA], [ANNA], [BERT], [BERT]]


async def test_whatever_comes_is_committed_side_by_side_where_accounts_may_mix(
    engine: Engine,
) -> None:
    async with lanes(engine, one_account=False, lanes=3, queue=SMALL_BATCHES) as three:
        gate = three.store.close(ANNA)
        work = asyncio.create_task(three.together(creates(ANNA, 0, 40)))

        await three.store.until_running(ANNA, ANNA, ANNA)

        assert three.writer.depth == 10
        gate.set()
        assert all(isinstance(outcome, Changed) for outcome in await work)


async def test_a_repeat_is_told_to_come_back_whichever_lane_has_the_first(mixed: Lanes) -> None:
    gate = mixed.store.close(ANNA)
    firsts = []
    for number, key in enumerate(("a", "b")):
        create = asks.create(number, account_id=ANNA, idempotency_key=key)
        firsts.append(asyncio.create_task(mixed.writer.submit(create)))
        await mixed.store.until_running(*[ANNA] * (number + 1))

    repeats = await mixed.together(
        asks.create(9, account_id=ANNA, idempotency_key=key) for key in ("a", "b")
    )

    codes = [expect(Rejection, outcome).code for outcome in repeats]
    assert codes == [ErrorCode.IDEMPOTENCY_IN_FLIGHT] * 2
    gate.set()
    assert [type(one) for one in await asyncio.gather(*firsts)] == [Changed, Changed]


# --- the end


@pytest.fixture(params=[True, False], ids=["by account", "mixed"])
async def running(engine: Engine, request: pytest.FixtureRequest) -> AsyncIterator[Lanes]:
    """Two lanes of either kind."""
    async with lanes(engine, one_account=request.param, lanes=2) as running:
        yield running


async def test_stop_commits_what_every_lane_accepted(running: Lanes) -> None:
    gates = [running.store.close(ANNA), running.store.close(BERT)]
    anna = submit(running, creates(ANNA, 0, 3))
    await running.store.until_running(ANNA)
    bert = submit(running, creates(BERT, 0, 3))
    await running.store.until_running(ANNA, BERT)
    anna += submit(running, creates(ANNA, 3, 3))
    await asyncio.sleep(0)

    running.writer.stop()
    refused = await running.writer.submit(asks.create(9, account_id=CARL))
    gates[1].set()
    await asyncio.gather(*bert)
    gates[0].set()

    await ended(running)
    assert expect(Rejection, refused).status == 503
    assert {type(one.result()) for one in (*anna, *bert)} == {Changed}


def submit(running: Lanes, commands: list[Command]) -> list[asyncio.Task[Outcome]]:
    return [asyncio.create_task(running.writer.submit(command)) for command in commands]


async def test_lanes_that_rest_stop_at_once(running: Lanes) -> None:
    await asyncio.sleep(0)

    await ended(running)


class Death(BaseException):
    """Nothing that anybody catches."""


async def test_a_lane_that_dies_ends_them_all_with_what_killed_it(engine: Engine) -> None:
    def die() -> None:
        raise Death

    async def work(two: Lanes) -> None:
        two.store.close(ANNA)
        held = asyncio.create_task(two.together(creates(ANNA, 0, 1)))
        await two.store.until_running(ANNA)
        two.store.before = die
        hit = asyncio.create_task(two.together(creates(BERT, 0, 1)))
        await asyncio.wait([two.running])
        # Nobody answers these callers any more: the process is about to end.
        for one in (held, hit):
            one.cancel()
        assert two.store.running == []

    with pytest.raises(Death):
        async with lanes(engine, one_account=True, lanes=2) as two:
            await work(two)
