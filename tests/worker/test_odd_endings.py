"""Attempts whose outcome is hard to tell are told all the same."""

import asyncio
import math
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pydantic
import pytest

import orchestrion
from orchestrion import Backoff, Context, LeaseLost, OutputRef, Retry, Task, Worker
from orchestrion.testing import LocalOrchestrion
from tests.worker.working import until, wait_until


class Fussy(pydantic.BaseModel):
    number: int

    @pydantic.field_validator("number")
    @classmethod
    def known(cls, number: int) -> int:
        return {1: 1}[number]


class Wordless(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


class Page(pydantic.BaseModel):
    url: str


async def worked(local: LocalOrchestrion, worker: Worker, *, max_attempts: int = 1) -> Task:
    """Run one task of type `job`."""
    task = await local.client.tasks.create("job", {"number": 2}, max_attempts=max_attempts)
    await local.drain(worker)
    return await local.client.tasks.get(task.id)


def takes_fussy(_: Fussy) -> None: ...


def retries_with_text() -> None:
    raise Retry("busy", after="5")  # type: ignore[arg-type]


def retries_with_truth() -> None:
    raise Retry("busy", after=True)


def retries_never() -> None:
    raise Retry("busy", after=math.inf)


def retries_at_no_time() -> None:
    raise Retry("busy", after=math.nan)


def is_wordless() -> None:
    raise Wordless


def is_not_what_it_was() -> None:
    error = Retry("busy")
    error.after = "5"  # type: ignore[assignment]
    raise error


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (takes_fussy, "KeyError: 2"),
        (retries_with_text, "TypeError: after is a number of seconds or a timedelta, not '5'"),
        (retries_with_truth, "TypeError: after is a number of seconds or a timedelta, not True"),
        (retries_never, "ValueError: after is a number of seconds or a timedelta, not inf"),
        (retries_at_no_time, "ValueError: after is a number of seconds or a timedelta, not nan"),
        (is_wordless, "Wordless"),
        (is_not_what_it_was, "Retry"),
    ],
)
async def test_whatever_goes_wrong_the_attempt_has_failed(
    local: LocalOrchestrion, handler: Callable[..., None], reason: str
) -> None:
    worker = Worker()
    worker.task("job")(handler)

    failed = await worked(local, worker)

    assert (failed.status, failed.last_failure_reason) == ("dead_letter", reason)


async def test_a_backoff_that_cannot_be_reckoned_delays_nothing(local: LocalOrchestrion) -> None:
    worker = Worker()

    @worker.task("job", backoff=Backoff(initial="soon"))  # type: ignore[arg-type]
    async def job() -> None:
        raise LookupError("no such page")

    failed = await worked(local, worker)

    assert (failed.status, failed.last_failure_reason) == ("dead_letter", "LookupError")


async def test_a_retry_may_name_its_delay_as_a_duration(local: LocalOrchestrion) -> None:
    worker = Worker()

    @worker.task("job")
    async def job() -> None:
        raise Retry("busy", after=timedelta(minutes=2))

    failed = await worked(local, worker, max_attempts=2)

    assert failed.scheduled_at is not None
    assert failed.last_failed_at is not None
    assert failed.scheduled_at - failed.last_failed_at == timedelta(minutes=2)


async def test_what_one_task_of_a_group_raises_counts_as_raised_by_the_handler(
    local: LocalOrchestrion,
) -> None:
    worker = Worker()

    async def ask() -> None:
        raise Retry("upstream busy", after=60)

    @worker.task("job")
    async def job() -> None:
        async with asyncio.TaskGroup() as outer:
            async with asyncio.TaskGroup() as inner:
                inner.create_task(ask())
            outer.create_task(ask())

    failed = await worked(local, worker, max_attempts=2)

    assert failed.last_failure_reason == "upstream busy"
    assert failed.scheduled_at is not None


async def test_what_several_tasks_of_a_group_raise_stays_a_group(local: LocalOrchestrion) -> None:
    worker = Worker()

    @worker.task("job")
    async def job() -> None:
        raise ExceptionGroup("two at once", [Retry("busy"), ValueError("no")])

    failed = await worked(local, worker)

    assert failed.last_failure_reason == "ExceptionGroup: two at once (2 sub-exceptions)"


@pytest.mark.parametrize("number", [math.nan, math.inf])
async def test_a_number_that_is_none_is_no_result(local: LocalOrchestrion, number: float) -> None:
    worker = Worker()

    @worker.task("job")
    async def job() -> dict[str, Any]:
        return {"mean": number, "median": None}

    failed = await worked(local, worker)

    assert failed.status == "dead_letter"
    assert (failed.last_failure_reason or "").startswith("ValueError: NaN and infinity")


async def test_models_may_stand_within_a_result(local: LocalOrchestrion) -> None:
    worker = Worker()

    @worker.task("job")
    async def job() -> OutputRef:
        return OutputRef("out_1", {"pages": [Page(url="u")]})

    done = await worked(local, worker)

    assert done.result == {"pages": [{"url": "u"}]}


async def test_the_error_of_a_lost_lease_can_be_caught_by_its_name(
    local: LocalOrchestrion,
) -> None:
    worker = Worker()
    caught = []

    @worker.task("job")
    async def job(ctx: Context) -> None:
        ctx.end("the test says so")
        try:
            ctx.raise_if_lost()
        except LeaseLost as error:
            caught.append(error)

    await worked(local, worker)

    assert len(caught) == 1
    assert "LeaseLost" in orchestrion.__all__


async def test_what_ends_after_the_worker_disturbs_nobody(
    local: LocalOrchestrion, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrion.worker.shift.CANCEL_SECONDS", 0.05)
    worker = Worker(grace=0)
    may_end = threading.Event()
    stubborn_ends = asyncio.Event()
    threads = set(threading.enumerate())

    @worker.task("plain")
    def plain() -> None:
        may_end.wait()

    @worker.task("stubborn")
    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await stubborn_ends.wait()

    for kind in ("plain", "stubborn"):
        await local.client.tasks.create(kind, {})
    with local.attached(worker):
        served = asyncio.create_task(worker.serve())
        await until(lambda: worker.in_flight == 2)
        worker.stop()
        await served
    left = [each for each in asyncio.all_tasks() if each.get_name().startswith("orchestrion")]
    stubborn_ends.set()
    outcomes = await asyncio.gather(*left, return_exceptions=True)
    may_end.set()
    wait_until(lambda: not _handlers(threads))

    assert outcomes == [None]
    assert not [each for each in caplog.records if each.exc_info]


def _handlers(before: set[threading.Thread]) -> list[threading.Thread]:
    later = [each for each in threading.enumerate() if each not in before]
    return [each for each in later if each.name.startswith("orchestrion-handler")]
