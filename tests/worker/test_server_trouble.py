"""The server goes away, answers get lost, limits are reached: a worker goes on by itself."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from orchestrion import AsyncOrchestrion, InvalidApiKey, NewTask, Worker
from orchestrion.testing import LocalOrchestrion
from orchestrion.worker.claiming import WAIT_SECONDS
from tests.e2e.serving import serving as worked_at
from tests.worker.wires import CLAIM, COMPLETE, FAIL, Network, through
from tests.worker.working import until

WRONG_KEY = "orch_live_" + "0" * 64


def doubling(worker: Worker) -> None:
    @worker.task("double")
    async def double(payload: dict[str, Any]) -> dict[str, Any]:
        if payload["number"] < 0:
            raise ValueError("too little")
        return {"twice": 2 * payload["number"]}


async def test_lost_answers_cost_no_attempt_and_no_result(
    local: LocalOrchestrion, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker()
    doubling(worker)
    network = Network()
    network.lost.update({CLAIM: 2, COMPLETE: 2, FAIL: 2})
    tasks = [
        await local.client.tasks.create("double", {"number": one}, max_attempts=1)
        for one in (-1, 1, 2)
    ]

    with through(network, worker, local):
        await worker.drain()

    after = [await local.client.tasks.get(task.id) for task in tasks]
    assert [task.status for task in after] == ["dead_letter", "completed", "completed"]
    assert [task.result for task in after[1:]] == [{"twice": 2}, {"twice": 4}]
    assert {task.attempt_count for task in after} == {1}
    assert not [each for each in caplog.records if "lease lost" in each.getMessage()]


async def test_whether_the_server_answers_is_not_learnt_at_the_end_of_a_long_wait(
    local: LocalOrchestrion,
) -> None:
    worker = Worker()
    doubling(worker)
    network = Network()

    with through(network, worker, local):
        served = asyncio.create_task(worker.serve())
        await until(lambda: network.waits == [0, WAIT_SECONDS])
        network.cut = True
        await until(lambda: len(network.waits) >= 4)
        network.cut = False
        await until(lambda: network.waits[-2:] == [0, WAIT_SECONDS])
        worker.stop()
        await served

    assert network.waits[:2] == [0, WAIT_SECONDS]


async def test_what_came_behind_an_empty_claim_is_drained_too(local: LocalOrchestrion) -> None:
    worker = Worker(concurrency=2)
    network = Network()
    network.late = True

    @worker.task("parent")
    async def parent(payload: dict[str, Any]) -> None:
        if payload["child"]:
            await until(lambda: network.empty_claims)
            await local.client.tasks.create("parent", {"child": False})

    await local.client.tasks.create("parent", {"child": True})
    with through(network, worker, local):
        await worker.drain()

    assert worker.tally.ended["parent", "completed"] == 2


async def test_a_server_that_is_away_for_a_while_needs_no_restart(
    local: LocalOrchestrion, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker()
    doubling(worker)
    network = Network()
    network.cut = True

    with through(network, worker, local):
        served = asyncio.create_task(worker.serve())
        await until(lambda: network.asked[CLAIM] >= 2)
        task = await local.client.tasks.create("double", {"number": 1})
        network.cut = False
        await until(lambda: worker.tally.ended["double", "completed"] == 1)
        network.cut = True
        asked = network.asked[CLAIM]
        other = await local.client.tasks.create("double", {"number": 2})
        await until(lambda: network.asked[CLAIM] >= asked + 2)
        network.cut = False
        await until(lambda: worker.tally.ended["double", "completed"] == 2)
        await until(lambda: len(said_of_the_server(caplog)) == 4)
        worker.stop()
        await served

    for each in (task, other):
        assert (await local.client.tasks.get(each.id)).attempt_count == 1
    once = ["the server does not answer", "the server answers again"]
    assert said_of_the_server(caplog) == once * 2


async def test_what_ends_while_the_server_is_away_is_told_when_it_is_back(
    local: LocalOrchestrion,
) -> None:
    worker = Worker()
    network = Network()
    may_end = asyncio.Event()

    @worker.task("job")
    async def job() -> dict[str, Any]:
        await may_end.wait()
        return {"done": True}

    task = await local.client.tasks.create("job", {})
    with through(network, worker, local):
        served = asyncio.create_task(worker.serve())
        await until(lambda: worker.in_flight)
        network.cut = True
        may_end.set()
        await until(lambda: network.asked[COMPLETE] >= 2)
        network.cut = False
        await until(lambda: not worker.in_flight)
        worker.stop()
        await served

    done = await local.client.tasks.get(task.id)
    assert (done.status, done.result, done.attempt_count) == ("completed", {"done": True}, 1)


async def test_endings_travel_together(local: LocalOrchestrion) -> None:
    worker = Worker(concurrency=50)
    doubling(worker)
    network = Network()
    for one in range(200):
        await local.client.tasks.create("double", {"number": one})

    with through(network, worker, local):
        await worker.drain()

    assert sum(network.items) == 200
    assert max(network.items) > 10
    assert len(network.items) < 50


@pytest.mark.parametrize("code", ["max_workers_reached", "rate_limited"])
async def test_limits_are_waited_for(local: LocalOrchestrion, code: str) -> None:
    worker = Worker()
    doubling(worker)
    network = Network()
    network.refusals = [refusal(429, code, retry_after="0") for _ in range(3)]
    task = await local.client.tasks.create("double", {"number": 1})

    with through(network, worker, local):
        await worker.drain()

    assert worker.tally.refused[code] == 3
    assert (await local.client.tasks.get(task.id)).status == "completed"


async def test_a_plan_of_few_workers_is_used_to_the_full(tmp_path: Path) -> None:
    """The server asks to wait for up to 30 s; a worker that finishes its own need not."""
    with worked_at(tmp_path / "orchestrion.db", "--plans", "hosted") as served:
        worker = Worker(url=served.url(), api_key=served.first_key(), concurrency=10)
        running, most = 0, 0

        @worker.task("job")
        async def job() -> None:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.01)
            running -= 1

        async with AsyncOrchestrion(served.url(), served.first_key()) as client:
            await client.tasks.create_many([NewTask("job", {})] * 12)
            async with asyncio.timeout(25):
                await worker.drain()

    assert worker.tally.ended["job", "completed"] == 12
    assert most == 2


async def test_a_server_that_does_not_wait_is_asked_less_and_less_often(
    local: LocalOrchestrion,
) -> None:
    worker = Worker()
    worker.task("job")(_nothing)
    network = Network()
    network.refusals = [nothing_there() for _ in range(100)]

    with through(network, worker, local):
        served = asyncio.create_task(worker.serve())
        await until(lambda: network.asked[CLAIM])
        began = time.monotonic()
        await until(lambda: network.asked[CLAIM] >= 4)
        passed = time.monotonic() - began
        network.refusals.clear()
        worker.stop()
        await served

    assert passed >= 0.5 * (0.2 + 0.4 + 0.8)


async def test_a_refused_ending_is_sent_again_when_it_may_pass(local: LocalOrchestrion) -> None:
    worker = Worker(concurrency=2)
    network = Network()
    claimed = asyncio.Event()

    @worker.task("job")
    async def job() -> dict[str, Any]:
        await claimed.wait()
        return {"done": True}

    tasks = [await local.client.tasks.create("job", {}) for _ in range(2)]
    with through(network, worker, local):
        served = asyncio.create_task(worker.serve())
        await until(lambda: worker.in_flight == 2)
        network.refusals = [
            refusal(503, "server_error", retry_after="0"),
            refusal(429, "rate_limited", retry_after="0"),
        ]
        claimed.set()
        await until(lambda: worker.tally.ended["job", "completed"] == 2)
        worker.stop()
        await served

    for task in tasks:
        assert (await local.client.tasks.get(task.id)).result == {"done": True}


async def test_a_wrong_key_ends_the_worker(local: LocalOrchestrion) -> None:
    worker = Worker()
    doubling(worker)

    with through(Network(), worker, local, WRONG_KEY), pytest.raises(InvalidApiKey):
        await worker.serve()


async def test_many_types_share_few_slots(local: LocalOrchestrion) -> None:
    worker = Worker(concurrency=2)
    for number in range(12):
        worker.task(f"type-{number}", max_in_flight=1 if number % 4 == 0 else None)(_nothing)
    tasks = [await local.client.tasks.create(f"type-{at % 12}", {}) for at in range(36)]

    await local.drain(worker)

    done = await local.client.tasks.wait_many([task.id for task in tasks], timeout=1)
    assert {task.status for task in done} == {"completed"}


async def test_a_type_keeps_to_its_own_limit(local: LocalOrchestrion) -> None:
    worker = Worker(concurrency=10)
    running: dict[str, int] = {"narrow": 0, "wide": 0}
    most: dict[str, int] = {"narrow": 0, "wide": 0}

    async def work(kind: str) -> None:
        running[kind] += 1
        most[kind] = max(most[kind], running[kind])
        await asyncio.sleep(0.01)
        running[kind] -= 1

    @worker.task("narrow", max_in_flight=2)
    async def narrow() -> None:
        await work("narrow")

    @worker.task("wide")
    async def wide() -> None:
        await work("wide")

    for _ in range(12):
        await local.client.tasks.create("narrow", {})
        await local.client.tasks.create("wide", {})
    await local.drain(worker)

    assert most["narrow"] == 2
    assert 2 < most["wide"] <= 10


async def test_a_worker_may_be_narrowed_to_some_types(local: LocalOrchestrion) -> None:
    worker = Worker()
    worker.task("mine")(_nothing)
    worker.task("other")(_nothing)
    worker.only(frozenset({"mine"}))
    tasks = [await local.client.tasks.create(kind, {}) for kind in ("mine", "other")]

    await local.drain(worker)

    after = [(await local.client.tasks.get(task.id)).status for task in tasks]
    assert after == ["completed", "pending"]
    with pytest.raises(ValueError, match="no handler for other; there are: mine"):
        worker.only(frozenset({"other"}))


def said_of_the_server(caplog: pytest.LogCaptureFixture) -> list[str]:
    said = [each.getMessage().partition(",")[0] for each in caplog.records]
    return [line for line in said if line.startswith("the server")]


def refusal(status: int, code: str, *, retry_after: str) -> httpx2.Response:
    contract = {"version": "1", "retryable": True, "next_actions": []}
    body = {"error": code, "message": "Not now.", "agent_contract": contract}
    return httpx2.Response(
        status,
        headers={"Retry-After": retry_after},
        stream=httpx2.ByteStream(json.dumps(body).encode()),
    )


def nothing_there() -> httpx2.Response:
    contract = {"version": "1", "retryable": True, "next_actions": []}
    body: dict[str, Any] = {"task": None, "tasks": [], "agent_contract": contract}
    return httpx2.Response(200, stream=httpx2.ByteStream(json.dumps(body).encode()))


async def _nothing() -> None:
    """Complete the task."""
