"""What something before the server answers in its place says nothing about tasks."""

import asyncio
from typing import Any

import pytest

from orchestrion import Worker
from orchestrion.client.errors import error_of
from orchestrion.client.keeping import Keeper
from orchestrion.client.refusals import read_refusal
from orchestrion.testing import LocalOrchestrion
from tests.worker.wires import CLAIM, COMPLETE, Network, through
from tests.worker.working import until

STATUSES = [400, 401, 403, 404, 409]


@pytest.mark.parametrize("status", STATUSES)
async def test_finished_work_is_kept_until_the_server_answers(
    local: LocalOrchestrion, status: int
) -> None:
    worker = Worker()
    network = Network()
    may_end = asyncio.Event()

    @worker.task("job")
    async def job() -> dict[str, Any]:
        await may_end.wait()
        return {"done": True}

    tasks = [await local.client.tasks.create("job", {}, max_attempts=1) for _ in range(2)]
    with through(network, worker, local):
        served = asyncio.create_task(worker.serve())
        await until(lambda: worker.in_flight == 2)
        network.gateway = status
        may_end.set()
        await until(lambda: network.asked[COMPLETE] >= 2 or served.done())
        network.gateway = None
        await until(lambda: not worker.in_flight)
        worker.stop()
        await served

    after = [await local.client.tasks.get(task.id) for task in tasks]
    assert [(task.status, task.result) for task in after] == [("completed", {"done": True})] * 2


@pytest.mark.parametrize("status", STATUSES)
async def test_claims_go_on_until_the_server_answers(local: LocalOrchestrion, status: int) -> None:
    worker = Worker()
    worker.task("job")(_nothing)
    network = Network()
    network.gateway = status
    task = await local.client.tasks.create("job", {})

    with through(network, worker, local):
        served = asyncio.create_task(worker.serve())
        await until(lambda: network.asked[CLAIM] >= 2 or served.done())
        network.gateway = None
        await until(lambda: worker.tally.ended["job", "completed"] or served.done())
        worker.stop()
        await served

    after = await local.client.tasks.get(task.id)
    assert (after.status, after.attempt_count) == ("completed", 1)


async def test_a_claim_under_way_is_given_back_once_the_server_answers(
    local: LocalOrchestrion,
) -> None:
    worker = Worker()
    worker.task("job")(_nothing)
    network = Network()
    network.silent.add(CLAIM)
    task = await local.client.tasks.create("job", {})

    with through(network, worker, local):
        served = asyncio.create_task(worker.serve())
        await until(lambda: network.answered[CLAIM])
        network.silent.clear()
        network.gateway = 404
        worker.stop()
        await until(lambda: network.asked[CLAIM] >= 2)
        network.gateway = None
        await served

    after = await local.client.tasks.get(task.id)
    assert (after.status, after.attempt_count) == ("pending", 0)


async def test_an_ending_that_was_taken_counts_even_if_a_heartbeat_hears_of_it_first(
    local: LocalOrchestrion, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker(concurrency=1)
    network = Network()
    network.silent.add(COMPLETE)

    @worker.task("job")
    async def job() -> dict[str, Any]:
        return {"done": True}

    await local.client.tasks.create("job", {}, lease_seconds=30)
    with through(network, worker, local):
        served = asyncio.create_task(worker.serve())
        await until(lambda: network.answered[COMPLETE])
        assert worker.keeper is not None
        pulse = worker.keeper.pulse
        local.clock.advance(seconds=12)
        worker.keeper.wake()
        await until(lambda: pulse.lost)
        network.silent.clear()
        network.hang_up.set()
        await until(lambda: not worker.in_flight)
        worker.stop()
        await served

    assert worker.tally.ended == {("job", "completed"): 1}
    assert not [each for each in caplog.records if "lease lost" in each.getMessage()]


@pytest.mark.parametrize("status", [404, 409])
async def test_a_lease_is_kept_whatever_a_gateway_says_of_it(
    local: LocalOrchestrion, status: int
) -> None:
    await local.client.tasks.create("job", {})
    claimed = await local.client.tasks.claim("job")
    moment = [0.0]
    refused = error_of(read_refusal(status, {}, b"<h1>default backend</h1>"))
    keeper = Keeper(lambda leases: [refused for _ in leases], clock=lambda: moment[0])
    (kept,) = keeper.hold_all(claimed)

    moment[0] += 120
    keeper.wake()
    await until(lambda: keeper.pulse.failed or kept.lost)
    keeper.close()

    assert not kept.lost


async def _nothing() -> None:
    """Complete the task."""
