"""Another transaction was in the way: the batch is run again, a few times, a little later."""

import asyncio
from collections.abc import Iterator

import pytest

from orchestrion.core.commands import Command
from orchestrion.core.faults import Conflict, Unavailable
from orchestrion.core.outcomes import Changed
from orchestrion.engine.writer import CONFLICT_TRIES, CONFLICT_WAIT_SECONDS
from tests.engine.engines import Engine
from tests.engine.lanes import Lanes, lanes
from tests.unit import asks


def in_the_way(running: Lanes, times: int) -> None:
    """Let so many transactions meet another, which then goes on."""
    conflicts = iter(range(times))

    def meet() -> None:
        if next(conflicts, None) is not None:
            raise Conflict

    running.store.before = meet


@pytest.fixture
def some_creates() -> list[Command]:
    return [asks.create(number) for number in range(5)]


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Keep how long the writer waits between two tries."""
    kept: list[float] = []
    sleep = asyncio.sleep

    async def keep(seconds: float) -> None:
        kept.append(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", keep)
    yield kept
    monkeypatch.undo()


async def test_a_batch_is_run_again_as_a_whole(
    engine: Engine, some_creates: list[Command], waits: list[float]
) -> None:
    async with lanes(engine, one_account=False, lanes=1) as one:
        in_the_way(one, CONFLICT_TRIES - 1)

        outcomes = await one.together(some_creates)

    assert {type(outcome) for outcome in outcomes} == {Changed}
    assert len(one.store.batches) == CONFLICT_TRIES
    assert engine.count("select count(*) from tasks") == 5
    assert all(
        0 <= wait <= CONFLICT_WAIT_SECONDS * tries for tries, wait in enumerate(waits, start=1)
    )
    assert len(waits) == CONFLICT_TRIES - 1


@pytest.mark.usefixtures("waits")
async def test_a_batch_is_given_up_when_something_stays_in_the_way(
    engine: Engine, some_creates: list[Command]
) -> None:
    async with lanes(engine, one_account=False, lanes=1) as one:
        in_the_way(one, CONFLICT_TRIES)

        refused = await asyncio.gather(
            *map(one.writer.submit, some_creates), return_exceptions=True
        )
        done = await one.together(some_creates)

    assert {type(fault) for fault in refused} == {Unavailable}
    assert {type(outcome) for outcome in done} == {Changed}
    assert engine.count("select count(*) from tasks") == 5


async def test_a_batch_that_meets_nobody_does_not_wait(
    engine: Engine, some_creates: list[Command], waits: list[float]
) -> None:
    async with lanes(engine, one_account=False, lanes=1) as one:
        await one.together(some_creates)

    assert waits == []
