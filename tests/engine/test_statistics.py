"""Numbers of accounts are read seldom, once for all who ask, and of few accounts remembered."""

import asyncio

import pytest

from orchestrion.core.faults import Unavailable
from orchestrion.core.ids import AccountId
from orchestrion.core.limits import STATS_SECONDS
from orchestrion.core.stats import Standing
from orchestrion.engine.ports import Reader
from orchestrion.engine.statistics import Statistics
from tests.engine.engines import Engine
from tests.engine.waiting_room import until
from tests.factories import ACCOUNT_ID, OTHER_ACCOUNT_ID
from tests.unit import asks

PATIENCE_SECONDS = 5


class Watching:
    """The first read of the real reader, which can be held up or broken, and is counted."""

    def __init__(self, reader: Reader) -> None:
        self._read = reader.task_counts
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.broken = False
        self.asked: list[AccountId] = []

    async def task_counts(self, account_id: AccountId, limit: int) -> Standing:
        self.asked.append(account_id)
        await self.go_on.wait()
        if self.broken:
            raise Unavailable("away")
        return await self._read(account_id, limit)


@pytest.fixture
def watching(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Watching:
    watching = Watching(engine.reader)
    monkeypatch.setattr(engine.reader, "task_counts", watching.task_counts)
    return watching


async def asked(watching: Watching, times: int) -> None:
    await until(lambda: len(watching.asked) >= times)


async def test_they_are_read_again_when_they_are_old_enough(
    engine: Engine, watching: Watching
) -> None:
    of = Statistics(engine.reader, engine.clock).of
    first = await of(ACCOUNT_ID)
    await engine.together([asks.create(1)])
    engine.clock.advance(STATS_SECONDS - 0.001)
    second = await of(ACCOUNT_ID)
    engine.clock.advance(0.001)
    third = await of(ACCOUNT_ID)

    assert second is first
    assert (first.counts.pending, third.counts.pending) == (0, 1)
    assert len(watching.asked) == 2


async def test_who_asks_while_they_are_read_waits_for_the_same(
    engine: Engine, watching: Watching
) -> None:
    numbers = Statistics(engine.reader, engine.clock)
    watching.go_on.clear()
    waiting = [asyncio.create_task(numbers.of(ACCOUNT_ID)) for _ in range(3)]
    await asked(watching, 1)
    engine.clock.advance(10 * STATS_SECONDS)
    waiting.append(asyncio.create_task(numbers.of(ACCOUNT_ID)))
    await asyncio.sleep(0)
    watching.go_on.set()

    found = await asyncio.gather(*waiting)

    assert all(one is found[0] for one in found)
    assert len(watching.asked) == 1


async def test_one_who_leaves_stops_nobody_else(engine: Engine, watching: Watching) -> None:
    numbers = Statistics(engine.reader, engine.clock)
    watching.go_on.clear()
    leaving, staying = (asyncio.create_task(numbers.of(ACCOUNT_ID)) for _ in range(2))
    await asked(watching, 1)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    watching.go_on.set()

    assert (await staying).counts.pending == 0
    assert leaving.cancelled()


async def test_a_stop_waits_for_what_is_read_even_if_all_have_left(
    engine: Engine, watching: Watching
) -> None:
    numbers = Statistics(engine.reader, engine.clock)
    watching.go_on.clear()
    leaving = asyncio.create_task(numbers.of(ACCOUNT_ID))
    await asked(watching, 1)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    stopping = asyncio.create_task(numbers.stop())
    await asyncio.sleep(0)
    assert not stopping.done()
    watching.go_on.set()

    async with asyncio.timeout(PATIENCE_SECONDS):
        await stopping


async def test_what_could_not_be_read_is_read_at_once_again(
    engine: Engine, watching: Watching
) -> None:
    numbers = Statistics(engine.reader, engine.clock)
    watching.broken = True
    with pytest.raises(Unavailable):
        await numbers.of(ACCOUNT_ID)
    watching.broken = False

    assert (await numbers.of(ACCOUNT_ID)).counts.pending == 0


async def test_a_reading_that_was_cancelled_is_begun_again(
    engine: Engine, watching: Watching
) -> None:
    numbers = Statistics(engine.reader, engine.clock)
    watching.go_on.clear()
    waiting = asyncio.create_task(numbers.of(ACCOUNT_ID))
    await asked(watching, 1)
    for task in asyncio.all_tasks():
        if task.get_name() == "statistics":
            task.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    watching.go_on.set()

    assert (await numbers.of(ACCOUNT_ID)).counts.pending == 0


async def test_the_accounts_that_asked_last_are_remembered(
    engine: Engine, watching: Watching
) -> None:
    of = Statistics(engine.reader, engine.clock, accounts_max=2).of
    third = AccountId("acct_3")
    for account_id in (ACCOUNT_ID, OTHER_ACCOUNT_ID, ACCOUNT_ID, third, ACCOUNT_ID):
        await of(account_id)
    await of(OTHER_ACCOUNT_ID)

    assert watching.asked == [ACCOUNT_ID, OTHER_ACCOUNT_ID, third, OTHER_ACCOUNT_ID]
