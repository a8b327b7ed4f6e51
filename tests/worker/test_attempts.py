"""How attempts end: timeouts, exceptions, backoff, middleware, hooks."""

import asyncio
import contextvars
import logging
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from orchestrion import Backoff, Context, Retry, Task, Worker
from orchestrion.testing import LocalOrchestrion
from orchestrion.worker import State
from tests.worker.working import ended, serving


async def once(local: LocalOrchestrion, worker: Worker, *, max_attempts: int = 1) -> Task:
    """Run one task of type `job`."""
    task = await local.client.tasks.create("job", {}, max_attempts=max_attempts)
    await local.drain(worker)
    return await local.client.tasks.get(task.id)


async def test_an_exception_fails_the_attempt_and_its_traceback_stays_in_the_log(
    local: LocalOrchestrion, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker()

    @worker.task("job")
    async def job() -> None:
        raise LookupError("no such page" + "!" * 600)

    failed = await once(local, worker)

    assert failed.status == "dead_letter"
    reason = failed.last_failure_reason or ""
    assert reason.startswith("LookupError: no such page!")
    assert len(reason) == 500
    (record,) = (each for each in caplog.records if each.exc_info)
    assert record.levelno == logging.ERROR
    assert (record.task_id, record.type, record.attempt) == (failed.id, "job", 1)  # type: ignore[attr-defined]


async def test_a_retry_names_its_delay(local: LocalOrchestrion) -> None:
    worker = Worker()

    @worker.task("job")
    async def job() -> None:
        raise Retry("upstream busy", after=60)

    failed = await once(local, worker, max_attempts=2)

    assert (failed.status, failed.last_failure_reason) == ("pending", "upstream busy")
    assert failed.scheduled_at is not None
    assert failed.last_failed_at is not None
    assert (failed.scheduled_at - failed.last_failed_at).total_seconds() == 60


async def test_backoff_grows_with_the_attempts(local: LocalOrchestrion) -> None:
    worker = Worker()

    @worker.task("job", backoff=Backoff(initial=10, factor=3, max=50, jitter=0))
    async def job() -> None:
        raise ValueError("no")

    task = await local.client.tasks.create("job", {}, max_attempts=5)
    rests = []
    for _ in range(4):
        await local.drain(worker)
        failed = await local.client.tasks.get(task.id)
        assert failed.scheduled_at is not None
        rests.append((failed.scheduled_at - local.clock.now()).total_seconds())
        local.clock.set(failed.scheduled_at)

    assert rests == [10, 30, 50, 50]


async def test_a_failed_task_rests_unless_told_otherwise(local: LocalOrchestrion) -> None:
    worker = Worker()

    @worker.task("rests")
    async def rests() -> None:
        raise ValueError("no")

    @worker.task("hurries", backoff=None)
    async def hurries() -> None:
        raise ValueError("no")

    rested = await local.client.tasks.create("rests", {}, max_attempts=3)
    hurried = await local.client.tasks.create("hurries", {}, max_attempts=3)
    await local.drain(worker)

    waiting = await local.client.tasks.get(rested.id)
    assert (waiting.status, waiting.attempt_count) == ("pending", 1)
    assert waiting.scheduled_at is not None
    assert (waiting.scheduled_at - local.clock.now()).total_seconds() == 1
    assert (await local.client.tasks.get(hurried.id)).status == "dead_letter"


def test_backoff_varies_within_its_bounds() -> None:
    backoff = Backoff(initial=100, factor=2, max=300, jitter=0.2)

    first = {backoff.delay(1) for _ in range(200)}
    later = {backoff.delay(1_000_000) for _ in range(200)}

    assert len(first) > 10
    assert min(first) >= 80
    assert max(first) <= 120
    assert max(later) <= 300
    assert Backoff(initial=0.01, jitter=0).delay(1) == 1


async def test_a_coroutine_that_takes_too_long_is_cancelled(local: LocalOrchestrion) -> None:
    worker = Worker()
    cancelled = []

    @worker.task("job", timeout=0.05)
    async def job() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(1)
            raise

    failed = await once(local, worker)

    assert failed.last_failure_reason == "Timed out after 0.05 s"
    assert cancelled == [1]


async def test_a_timeout_of_the_handlers_own_is_an_exception_like_any_other(
    local: LocalOrchestrion,
) -> None:
    worker = Worker()

    @worker.task("job", timeout=30)
    async def job() -> None:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    failed = await once(local, worker)

    assert failed.last_failure_reason == "TimeoutError"


async def test_a_plain_function_that_takes_too_long_fails_at_once_and_keeps_its_slot(
    local: LocalOrchestrion,
) -> None:
    worker = Worker(concurrency=1)
    may_end = threading.Event()
    told = threading.Event()
    running = []

    @worker.task("job", timeout=0.05)
    def job(_: dict[str, Any], ctx: Context) -> None:
        running.append(ctx.task.id)
        while not ctx.lost:
            time.sleep(0.005)
        told.set()
        may_end.wait()

    first = await local.client.tasks.create("job", {}, max_attempts=1)
    async with serving(worker, local):
        failed = await ended(local, first)
        second = await local.client.tasks.create("job", {}, max_attempts=1)
        assert await asyncio.to_thread(told.wait, 10)
        waits = await local.client.tasks.get(second.id)
        may_end.set()
        await ended(local, second)

    assert failed.last_failure_reason == "Timed out after 0.05 s"
    assert waits.status == "pending"
    assert running == [first.id, second.id]


async def test_a_handler_cancelled_from_within_has_failed(local: LocalOrchestrion) -> None:
    worker = Worker()

    @worker.task("job")
    async def job() -> None:
        inner = asyncio.create_task(asyncio.sleep(60))
        inner.cancel()
        await inner

    failed = await once(local, worker)

    assert failed.status == "dead_letter"
    assert "cancelled from within" in (failed.last_failure_reason or "")


def leaves() -> None:
    sys.exit("all is lost")


async def leaves_too() -> None:
    sys.exit("all is lost")


@pytest.mark.parametrize("handler", [leaves, leaves_too])
async def test_a_handler_cannot_end_the_worker(
    local: LocalOrchestrion, handler: Callable[[], object]
) -> None:
    worker = Worker()
    worker.task("job")(handler)

    failed = await once(local, worker)

    assert failed.status == "dead_letter"
    assert "SystemExit('all is lost')" in (failed.last_failure_reason or "")


async def test_middleware_surrounds_each_attempt_in_order(local: LocalOrchestrion) -> None:
    worker = Worker()
    seen: list[str] = []
    tenant = contextvars.ContextVar("tenant", default="nobody")

    @worker.middleware
    @asynccontextmanager
    async def outer(ctx: Context) -> AsyncIterator[None]:
        seen.append(f"outer {ctx.task.type}")
        try:
            yield
        except ValueError:
            seen.append("outer saw it")
            raise
        finally:
            seen.append("outer ends")

    @worker.middleware
    async def inner(_: Context) -> AsyncIterator[None]:
        seen.append("inner")
        token = tenant.set("acme")
        try:
            yield
        finally:
            tenant.reset(token)
            seen.append("inner ends")

    @worker.task("job")
    def job() -> None:
        seen.append(f"job of {tenant.get()}")
        raise ValueError("no")

    failed = await once(local, worker)

    assert seen == [
        *("outer job", "inner", "job of acme", "inner ends", "outer saw it", "outer ends")
    ]
    assert failed.last_failure_reason == "ValueError: no"


async def test_middleware_may_deal_with_an_exception(local: LocalOrchestrion) -> None:
    worker = Worker()

    @worker.middleware
    async def forgiving(_: Context) -> AsyncIterator[None]:
        try:
            yield
        except ValueError:
            return

    @worker.task("job")
    async def job() -> None:
        raise ValueError("no")

    done = await once(local, worker)

    assert (done.status, done.result) == ("completed", None)


async def test_hooks_prepare_what_handlers_use_and_put_it_away(local: LocalOrchestrion) -> None:
    worker = Worker()
    seen = []

    @worker.startup
    async def connect(state: State) -> None:
        state.number = 7

    @worker.startup
    def also(state: State) -> None:
        seen.append(f"started with {state.number}")

    @worker.shutdown
    async def close(state: State) -> None:
        seen.append(f"closed {state.number}")

    @worker.shutdown
    async def first(_: State) -> None:
        seen.append("closing")

    @worker.task("job")
    async def job(ctx: Context) -> dict[str, Any]:
        return {"number": ctx.state.number}

    done = await once(local, worker)

    assert done.result == {"number": 7}
    assert seen == ["started with 7", "closing", "closed 7"]


async def test_a_failing_start_ends_the_worker_before_it_claims(local: LocalOrchestrion) -> None:
    worker = Worker()
    closed = []

    @worker.task("job")
    async def job() -> None:
        raise AssertionError("nothing may be claimed")

    @worker.startup
    async def connect(_: State) -> None:
        raise ConnectionRefusedError("no database")

    @worker.shutdown
    async def close(_: State) -> None:
        closed.append(1)

    with pytest.raises(ConnectionRefusedError):
        await once(local, worker)

    assert closed == [1]


async def test_the_context_tells_of_the_attempt_and_its_lease(local: LocalOrchestrion) -> None:
    worker = Worker()
    seen = []

    @worker.task("job")
    async def job(ctx: Context) -> None:
        seen.append((ctx.attempt, ctx.task.type, ctx.lease_remaining, ctx.lost))
        ctx.raise_if_lost()

    await local.client.tasks.create("job", {}, lease_seconds=45)
    await local.drain(worker)

    assert seen == [(1, "job", 45, False)]


async def test_plain_functions_run_beside_each_other(local: LocalOrchestrion) -> None:
    worker = Worker(concurrency=3)
    together = threading.Barrier(3, timeout=10)

    @worker.task("job")
    def job() -> None:
        together.wait()

    tasks = [await local.client.tasks.create("job", {}) for _ in range(3)]
    await local.drain(worker)

    done = await local.client.tasks.wait_many([task.id for task in tasks], timeout=1)
    assert {task.status for task in done} == {"completed"}
