"""Workers run dry in a test: what they finish, what they leave, and that they go back after."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import pytest

from orchestrion import Context, Retry, Worker
from orchestrion.testing import LocalOrchestrion
from orchestrion.worker import State


@pytest.fixture
def local() -> Iterator[LocalOrchestrion]:
    with LocalOrchestrion() as local:
        yield local


@pytest.fixture
def worker() -> Worker:
    return Worker(name="tested")


async def test_a_worker_finishes_all_there_is(local: LocalOrchestrion, worker: Worker) -> None:
    @worker.task("double")
    async def double(payload: dict[str, Any]) -> dict[str, Any]:
        return {"twice": 2 * payload["number"]}

    tasks = [await local.client.tasks.create("double", {"number": one}) for one in range(30)]
    await local.drain(worker)

    done = await local.client.tasks.wait_many([task.id for task in tasks], timeout=1)
    assert [task.result for task in done] == [{"twice": 2 * one} for one in range(30)]
    assert {task.attempt_count for task in done} == {1}


async def test_what_a_handler_creates_is_done_too(local: LocalOrchestrion, worker: Worker) -> None:
    @worker.task("count-down")
    async def count_down(payload: dict[str, Any]) -> None:
        if payload["left"]:
            await local.client.tasks.create("count-down", {"left": payload["left"] - 1})

    await local.client.tasks.create("count-down", {"left": 5})
    await local.drain(worker)

    assert (await local.client.stats()).counts.completed == 6


async def test_what_is_retried_later_needs_the_clock(
    local: LocalOrchestrion, worker: Worker
) -> None:
    @worker.task("call")
    async def call(_: dict[str, Any], ctx: Context) -> dict[str, Any]:
        if ctx.attempt == 1:
            raise Retry("busy", after=600)
        return {"attempt": ctx.attempt}

    task = await local.client.tasks.create("call", {})
    await local.drain(worker)
    rests = await local.client.tasks.get(task.id)
    local.clock.advance(minutes=10)
    await local.drain(worker)
    done = await local.client.tasks.get(task.id)

    assert (rests.status, rests.last_failure_reason) == ("pending", "busy")
    assert (done.status, done.result) == ("completed", {"attempt": 2})


async def test_tasks_of_other_types_and_workers_are_left(
    local: LocalOrchestrion, worker: Worker
) -> None:
    @worker.task("mine")
    def mine(_: dict[str, Any]) -> None:
        """Plain functions will do."""

    other = await local.client.tasks.create("other", {})
    held = await local.client.tasks.create("mine", {})
    await local.client.tasks.claim_by_id(held.id, worker_id="somebody")
    await local.client.tasks.create("mine", {})
    await local.drain(worker)

    assert (await local.client.tasks.get(other.id)).status == "pending"
    assert (await local.client.tasks.get(held.id)).status == "claimed"
    assert (await local.client.stats()).counts.completed == 1


async def test_a_worker_may_serve_beside_the_test(local: LocalOrchestrion, worker: Worker) -> None:
    @worker.task("echo")
    async def echo(payload: dict[str, Any]) -> dict[str, Any]:
        return payload

    with local.attached(worker):
        serving = asyncio.create_task(worker.serve())
        task = await local.client.tasks.create("echo", {"said": "hello"})
        done = await local.client.tasks.wait(task.id, timeout=60)
        worker.stop()
        await serving

    assert done.result == {"said": "hello"}


async def test_a_lease_that_runs_out_while_its_handler_works_is_lost(
    local: LocalOrchestrion, worker: Worker
) -> None:
    left: list[float] = []

    @worker.task("slow")
    async def slow(_: dict[str, Any], ctx: Context) -> dict[str, Any]:
        left.append(ctx.lease_remaining)
        if ctx.attempt == 1:
            local.clock.advance(minutes=6)
        left.append(ctx.lease_remaining)
        return {"attempt": ctx.attempt}

    task = await local.client.tasks.create("slow", {}, lease_seconds=300)
    await local.drain(worker)

    done = await local.client.tasks.get(task.id)
    assert (done.status, done.result) == ("completed", {"attempt": 2})
    assert left == [300, 0, 300, 300]


async def test_the_worker_is_as_it_was_after(local: LocalOrchestrion, worker: Worker) -> None:
    @worker.task("never")
    async def never(_: dict[str, Any]) -> None:
        raise AssertionError

    before = worker.connections

    await local.drain(worker)

    assert worker.connections is before
    assert worker.in_flight == 0


def test_a_test_that_awaits_nothing_drains_too(local: LocalOrchestrion, worker: Worker) -> None:
    @worker.task("echo")
    def echo(payload: dict[str, Any]) -> dict[str, Any]:
        return payload

    task = local.sync_client.tasks.create("echo", {"said": "hello"})
    asyncio.run(local.drain(worker))

    assert local.sync_client.tasks.get(task.id).result == {"said": "hello"}


async def test_hooks_and_middleware_run_in_each_drain(
    local: LocalOrchestrion, worker: Worker
) -> None:
    seen: list[str] = []

    @worker.startup
    async def begin(state: State) -> None:
        state.greeting = "hello"
        seen.append("startup")

    @worker.middleware
    async def around(ctx: Context) -> AsyncGenerator[None]:
        seen.append(f"attempt {ctx.attempt}")
        yield

    @worker.shutdown
    def end(_: State) -> None:
        seen.append("shutdown")

    @worker.task("greet")
    async def greet(_: dict[str, Any], ctx: Context) -> dict[str, Any]:
        return {"said": ctx.state.greeting}

    task = await local.client.tasks.create("greet", {})
    await local.drain(worker)
    await local.drain(worker)

    assert (await local.client.tasks.get(task.id)).result == {"said": "hello"}
    assert seen == ["startup", "attempt 1", "shutdown", "startup", "shutdown"]
