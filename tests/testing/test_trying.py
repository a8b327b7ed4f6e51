"""Handlers tried alone: what they return and raise, and what they are told."""

import asyncio
import threading
from typing import Any

import msgspec
import pytest

from orchestrion import Backoff, Context, OutputRef, Retry, Worker
from orchestrion.testing import TrialLease, run_task


class Job(msgspec.Struct):
    """A payload with a shape."""

    url: str
    words: int = 200


async def summarize(job: Job, ctx: Context) -> dict[str, Any]:
    return {"words": job.words, "attempt": ctx.attempt, "left": ctx.lease_remaining > 0}


async def test_a_result_is_what_the_api_would_show() -> None:
    out = await run_task(summarize, {"url": "u"}, attempt=2)

    assert out.completed
    assert not out.failed
    assert out.result == {"words": 200, "attempt": 2, "left": True}
    assert out.heartbeats == 0


async def test_a_payload_that_does_not_fit_fails_the_attempt() -> None:
    out = await run_task(summarize, {"words": "many"})

    assert out.failed
    assert not out.completed
    assert out.reason is not None
    assert "Invalid payload" in out.reason


async def test_a_retry_has_its_reason_and_delay() -> None:
    async def busy(_: dict[str, Any]) -> None:
        raise Retry("upstream busy", after=60)

    out = await run_task(busy, {})

    assert (out.failed, out.reason, out.retry_after) == (True, "upstream busy", 60)


async def test_any_other_exception_is_the_reason() -> None:
    async def wrong(_: dict[str, Any]) -> None:
        raise LookupError("no such page")

    out = await run_task(wrong, {})

    assert (out.failed, out.reason, out.retry_after) == (True, "LookupError: no such page", None)


async def test_a_plain_function_runs_in_a_thread() -> None:
    def thumbnail(payload: dict[str, Any]) -> dict[str, Any]:
        return {**payload, "here": threading.current_thread() is threading.main_thread()}

    out = await run_task(thumbnail, {"size": 3})

    assert out.result == {"size": 3, "here": False}


async def test_an_output_elsewhere_is_named() -> None:
    async def upload(_: dict[str, Any]) -> OutputRef:
        return OutputRef("out-1")

    out = await run_task(upload, {})

    assert (out.completed, out.result, out.output_id) == (True, None, "out-1")


async def test_a_result_that_is_no_object_fails() -> None:
    async def number(_: dict[str, Any]) -> int:
        return 7

    assert (await run_task(number, {})).failed


async def test_what_a_worker_was_told_of_its_handler_counts_too() -> None:
    worker = Worker()

    @worker.task("wait", timeout=0.01, backoff=Backoff(initial=7, jitter=0))
    async def wait(_: dict[str, Any]) -> None:
        await asyncio.Event().wait()

    out = await run_task(worker.handlers["wait"], {})

    assert (out.failed, out.reason, out.retry_after) == (True, "Timed out after 0.01 s", 7)


async def test_state_is_what_the_test_says() -> None:
    async def fetch(_: dict[str, Any], ctx: Context) -> dict[str, Any]:
        return {"page": ctx.state.http("u")}

    out = await run_task(fetch, {}, state={"http": str.upper})

    assert out.result == {"page": "U"}


async def test_a_lease_lost_on_the_way_discards_the_result() -> None:
    lease = TrialLease()
    begun = asyncio.Event()

    async def long(_: dict[str, Any], ctx: Context) -> dict[str, Any]:
        begun.set()
        while True:
            await asyncio.sleep(0)
            ctx.raise_if_lost()

    running = asyncio.create_task(run_task(long, {}, lease=lease))
    await begun.wait()
    lease.lost = True

    out = await running
    assert not out.completed
    assert not out.failed


async def test_a_cancel_is_seen() -> None:
    async def careful(_: dict[str, Any], ctx: Context) -> dict[str, Any]:
        return {"stop": ctx.cancel_requested}

    out = await run_task(careful, {}, lease=TrialLease(cancel_requested=True))

    assert out.result == {"stop": True}


async def test_what_is_no_payload_is_refused() -> None:
    with pytest.raises(TypeError):
        await run_task(summarize, [1])  # type: ignore[arg-type]  # what is refused
