"""Leases are kept whatever a handler does; what is lost is stopped, and its result never sent."""

import asyncio
import logging
import threading
from datetime import timedelta
from typing import Any

import pytest

from orchestrion import Context, Task, Worker
from orchestrion.testing import LocalOrchestrion
from tests.worker.wires import Network, through
from tests.worker.working import ended, serving, until, wait_until

LEASE_SECONDS = 30
BEAT_SECONDS = 12  # More than a third of the lease with its spread, far less than the lease.


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]


async def test_leases_are_renewed_while_a_handler_runs(local: LocalOrchestrion) -> None:
    worker = Worker()
    may_end = asyncio.Event()

    @worker.task("job")
    async def job() -> None:
        await may_end.wait()

    task = await local.client.tasks.create("job", {}, lease_seconds=LEASE_SECONDS)
    async with serving(worker, local):
        await until(lambda: worker.in_flight)
        for _ in range(6):
            await asyncio.to_thread(_let_beat, local, worker, task.id)
        may_end.set()
        done = await ended(local, task)

    assert (done.status, done.attempt_count) == ("completed", 1)


async def test_a_blocked_event_loop_loses_no_lease(local: LocalOrchestrion) -> None:
    """The promise of the worker: heartbeats do not depend on handlers that behave."""
    worker = Worker(concurrency=1)
    may_end = threading.Event()
    seen: list[Task] = []

    @worker.task("job")
    async def job(ctx: Context) -> dict[str, Any]:
        may_end.wait()
        return {"lost": ctx.lost}

    def steer() -> None:
        wait_until(lambda: worker.in_flight)
        beats = 2 * LEASE_SECONDS // BEAT_SECONDS + 1
        seen.extend(_let_beat(local, worker, task.id) for _ in range(beats))
        may_end.set()

    task = await local.client.tasks.create("job", {}, lease_seconds=LEASE_SECONDS)
    began = local.clock.now()
    steering = threading.Thread(target=steer)
    steering.start()
    async with serving(worker, local):
        done = await ended(local, task)
    steering.join()

    assert local.clock.now() - began > timedelta(seconds=2 * LEASE_SECONDS)
    assert {task.status for task in seen} == {"claimed"}
    assert (done.status, done.attempt_count) == ("completed", 1)
    assert done.result == {"lost": False}
    assert worker.tally.lag_seconds_max > 0


async def test_a_blocked_event_loop_gives_back_what_it_cannot_begin(
    local: LocalOrchestrion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrion.worker.office.TAKE_SECONDS", 0.05)
    worker = Worker(concurrency=2)
    may_end = threading.Event()
    begun: list[str] = []
    seen: list[Task] = []

    @worker.task("job")
    async def job(ctx: Context) -> None:
        begun.append(ctx.task.id)
        may_end.wait()

    def steer() -> None:
        wait_until(lambda: begun)
        other = local.sync_client.tasks.create("job", {})
        wait_until(lambda: worker.tally.ended["job", "released"])
        seen.append(local.sync_client.tasks.get(other.id))
        may_end.set()

    await local.client.tasks.create("job", {})
    steering = threading.Thread(target=steer)
    steering.start()
    async with serving(worker, local):
        await until(lambda: len(begun) == 2)
    steering.join()

    assert [(task.status, task.attempt_count) for task in seen] == [("pending", 0)]


async def test_a_coroutine_whose_lease_is_lost_is_cancelled(
    local: LocalOrchestrion, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker(concurrency=1)
    stopped: list[bool] = []

    @worker.task("job")
    async def job(ctx: Context) -> dict[str, Any]:
        if ctx.attempt > 1:
            return {"attempt": ctx.attempt}
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(ctx.lost)
        return {}

    task = await local.client.tasks.create("job", {}, lease_seconds=LEASE_SECONDS)
    async with serving(worker, local):
        await until(lambda: worker.in_flight)
        await asyncio.to_thread(_let_end, local, worker)
        done = await ended(local, task)

    assert stopped == [True]
    assert (done.attempt_count, done.result) == (2, {"attempt": 2})
    (warning,) = warnings_of(caplog)
    assert warning.startswith(f"{task.id} (job, attempt 1): lease lost 31.0 s after")


async def test_a_plain_function_sees_that_its_lease_is_lost(
    local: LocalOrchestrion, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker(concurrency=1)
    looks = threading.Event()
    seen: list[str] = []

    @worker.task("job")
    def job(_: dict[str, Any], ctx: Context) -> dict[str, Any]:
        if ctx.attempt > 1:
            return {"attempt": ctx.attempt}
        while not ctx.lost:
            looks.wait(0.005)
        try:
            ctx.raise_if_lost()
        except Exception as error:
            seen.append(str(error))
            raise
        return {}

    task = await local.client.tasks.create("job", {}, lease_seconds=LEASE_SECONDS)
    async with serving(worker, local):
        await until(lambda: worker.in_flight)
        await asyncio.to_thread(_let_end, local, worker)
        done = await ended(local, task)

    assert seen == [f"{task.id}: the lease is lost; stop the work"]
    assert (done.attempt_count, done.result) == (2, {"attempt": 2})
    assert len(warnings_of(caplog)) == 1


async def test_the_result_of_a_lost_attempt_is_never_sent(local: LocalOrchestrion) -> None:
    worker = Worker(concurrency=1)
    network = Network()

    @worker.task("job")
    async def job(ctx: Context) -> dict[str, Any]:
        while not ctx.lost:
            # Stubborn: it will not be cancelled.
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue
        return {"too": "late"}

    task = await local.client.tasks.create("job", {}, lease_seconds=LEASE_SECONDS, max_attempts=1)
    with through(network, worker, local):
        served = asyncio.create_task(worker.serve())
        await until(lambda: worker.in_flight)
        await asyncio.to_thread(_let_end, local, worker)
        await until(lambda: not worker.in_flight)
        worker.stop()
        await served

    assert (await local.client.tasks.get(task.id)).result is None
    assert network.asked["/v1/tasks/complete"] == 0
    assert network.asked["/v1/tasks/fail"] == 0


async def test_a_result_that_comes_as_the_lease_is_lost_is_not_sent_either(
    local: LocalOrchestrion,
) -> None:
    worker = Worker(concurrency=1)
    network = Network()

    @worker.task("job")
    def job(_: dict[str, Any], ctx: Context) -> dict[str, Any]:
        while not ctx.lost:
            pass
        return {"too": "late"}

    with through(network, worker, local):
        served = asyncio.create_task(worker.serve())
        for _ in range(5):
            await local.client.tasks.create("job", {}, lease_seconds=LEASE_SECONDS, max_attempts=1)
            await until(lambda: worker.in_flight)
            await asyncio.to_thread(_let_end, local, worker)
            await until(lambda: not worker.in_flight)
        worker.stop()
        await served

    assert worker.tally.ended["job", "lost"] == 5
    assert network.asked["/v1/tasks/complete"] == 0


async def test_a_forced_cancel_reaches_the_handler_with_a_heartbeat(
    local: LocalOrchestrion,
) -> None:
    worker = Worker()

    @worker.task("job")
    async def job(ctx: Context) -> None:
        await until(lambda: ctx.cancel_requested)
        raise RuntimeError("cancelled by request")

    task = await local.client.tasks.create("job", {}, lease_seconds=LEASE_SECONDS)
    async with serving(worker, local):
        await until(lambda: worker.in_flight)
        await local.client.tasks.cancel(task.id, force=True)
        await asyncio.to_thread(_pass_time, local, worker, BEAT_SECONDS)
        done = await ended(local, task)

    assert done.status == "cancelled"


def _let_beat(local: LocalOrchestrion, worker: Worker, task_id: str) -> Task:
    """Let time pass until a heartbeat is due, and wait for it."""
    _pass_time(local, worker, BEAT_SECONDS)
    now = local.clock.now()
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    wait_until(lambda: local.sync_client.tasks.get(task_id).last_heartbeat_at == now)
    return local.sync_client.tasks.get(task_id)


def _let_end(local: LocalOrchestrion, worker: Worker) -> None:
    """Let a lease run out, and the worker learn of it."""
    _pass_time(local, worker, LEASE_SECONDS + 1)


def _pass_time(local: LocalOrchestrion, worker: Worker, seconds: int) -> None:
    local.clock.advance(seconds=seconds)
    assert worker.keeper is not None
    worker.keeper.wake()
