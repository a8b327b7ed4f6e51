"""A stop finishes what it can, gives the rest back uncharged, and strands nothing."""

import asyncio
import threading
from typing import Any

import pytest

from orchestrion import Worker
from orchestrion.testing import LocalOrchestrion
from tests.worker.wires import CLAIM, Network, through
from tests.worker.working import until


async def test_a_stop_waits_for_what_runs(local: LocalOrchestrion) -> None:
    worker = Worker(grace=10)
    may_end = asyncio.Event()

    @worker.task("job")
    async def job() -> dict[str, Any]:
        await may_end.wait()
        return {"done": True}

    task = await local.client.tasks.create("job", {})
    with local.attached(worker):
        served = asyncio.create_task(worker.serve())
        await until(lambda: worker.in_flight)
        worker.stop()
        later = await local.client.tasks.create("job", {})
        may_end.set()
        await served

    assert (await local.client.tasks.get(task.id)).result == {"done": True}
    left = await local.client.tasks.get(later.id)
    assert (left.status, left.attempt_count) == ("pending", 0)


async def test_a_stop_under_load_charges_no_attempt(local: LocalOrchestrion) -> None:
    worker = Worker(grace=0.05, concurrency=40)
    may_end = threading.Event()

    @worker.task("stuck")
    async def stuck() -> None:
        await asyncio.Event().wait()

    @worker.task("plain")
    def plain() -> None:
        may_end.wait()

    @worker.task("broken")
    async def broken() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ValueError("went wrong while it was stopped") from None

    kinds = ("stuck", "plain", "broken")
    tasks = [await local.client.tasks.create(kinds[at % 3], {}) for at in range(60)]
    with local.attached(worker):
        served = asyncio.create_task(worker.serve())
        await until(lambda: worker.in_flight == 40)
        worker.stop()
        await served
    may_end.set()

    after = [await local.client.tasks.get(task.id) for task in tasks]
    assert {(task.status, task.attempt_count) for task in after} == {("pending", 0)}
    assert {task.last_failure_reason for task in after} == {None}


async def test_a_claim_under_way_at_a_stop_strands_no_task(local: LocalOrchestrion) -> None:
    worker = Worker(grace=5, concurrency=5)
    network = Network()
    network.silent.add(CLAIM)
    begun = []

    @worker.task("job")
    async def job() -> None:
        begun.append(1)

    tasks = [await local.client.tasks.create("job", {}) for _ in range(3)]
    with through(network, worker, local):
        served = asyncio.create_task(worker.serve())
        # The claim took effect, but its answer is still on its way.
        await until(lambda: network.answered[CLAIM])
        assert (await local.client.tasks.get(tasks[0].id)).status == "claimed"
        network.silent.clear()
        worker.stop()
        await served

    after = [await local.client.tasks.get(task.id) for task in tasks]
    assert {(task.status, task.attempt_count) for task in after} == {("pending", 0)}
    assert not begun


async def test_an_idle_worker_stops_at_once(local: LocalOrchestrion) -> None:
    worker = Worker(grace=60)
    network = Network()
    worker.task("job")(_never_called)

    with through(network, worker, local):
        served = asyncio.create_task(worker.serve())
        await until(lambda: network.asked[CLAIM])
        worker.stop()
        async with asyncio.timeout(20):
            await served


async def test_a_stop_before_the_start_is_a_stop(local: LocalOrchestrion) -> None:
    worker = Worker(grace=60)
    worker.task("job")(_never_called)
    task = await local.client.tasks.create("job", {})

    worker.stop()
    with local.attached(worker):
        await worker.serve()

    after = await local.client.tasks.get(task.id)
    assert (after.status, after.attempt_count) == ("pending", 0)


async def test_a_worker_that_is_cancelled_drains_first(local: LocalOrchestrion) -> None:
    worker = Worker(grace=0)

    @worker.task("job")
    async def job() -> None:
        await asyncio.Event().wait()

    task = await local.client.tasks.create("job", {})
    with local.attached(worker):
        served = asyncio.create_task(worker.serve())
        await until(lambda: worker.in_flight)
        served.cancel()
        await asyncio.gather(served, return_exceptions=True)

    assert served.cancelled()
    after = await local.client.tasks.get(task.id)
    assert (after.status, after.attempt_count) == ("pending", 0)


async def test_a_stop_with_the_server_away_ends_all_the_same(
    local: LocalOrchestrion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrion.worker.shift.FLUSH_SECONDS", 0.2)
    monkeypatch.setattr("orchestrion.worker.recovery.RECOVER_SECONDS", 0.2)
    worker = Worker(grace=0)
    network = Network()
    may_end = asyncio.Event()

    @worker.task("job")
    async def job() -> None:
        await may_end.wait()

    await local.client.tasks.create("job", {})
    with through(network, worker, local):
        served = asyncio.create_task(worker.serve())
        await until(lambda: worker.in_flight)
        network.cut = True
        worker.stop()
        async with asyncio.timeout(20):
            await served


async def _never_called() -> None:
    raise AssertionError("nothing is to be done")
