"""The application in a test's own process: time that tests move, waits that pass at once."""

import asyncio
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrion import (
    ConnectionFailed,
    InvalidTransition,
    LeaseExpired,
    RateLimited,
    TaskNotFound,
    Timeout,
)
from orchestrion.core.faults import StoreRefused
from orchestrion.testing import LocalOrchestrion
from orchestrion.testing.clock import StoppedTime, instant_of
from orchestrion.testing.hosting import Hosting, LoggingObserver

START = datetime(2027, 1, 15, 8, tzinfo=UTC)
# More than any wait takes that asks for a minute.
REAL_SECONDS_MAX = 10.0


@pytest.fixture
def local() -> Iterator[LocalOrchestrion]:
    with LocalOrchestrion(start=START) as local:
        yield local


async def test_both_clients_see_the_same_account(local: LocalOrchestrion) -> None:
    task = await local.client.tasks.create("summarize", {"url": "u"})

    assert local.sync_client.tasks.get(task.id) == task
    assert task.created_at == START == local.clock.now()


async def test_a_lease_ends_when_the_clock_is_moved(local: LocalOrchestrion) -> None:
    task = await local.client.tasks.create("summarize", {}, lease_seconds=300)
    (held,) = (await local.client.tasks.claim("summarize")).leases

    local.clock.advance(minutes=4, seconds=59)
    assert (await local.client.tasks.get(task.id)).status == "claimed"
    local.clock.advance(seconds=1)

    assert (await local.client.tasks.get(task.id)).status == "pending"
    with pytest.raises(InvalidTransition):
        await local.client.tasks.complete(held.task.id, held.lease_token, {})


async def test_a_scheduled_task_comes_due_and_wakes_who_waits_for_it(
    local: LocalOrchestrion,
) -> None:
    task = await local.client.tasks.create("summarize", {}, run_at="+1h")
    assert not (await local.client.tasks.claim("summarize")).leases
    waiting = asyncio.create_task(local.client.tasks.claim("summarize", wait_seconds=50))
    await asyncio.sleep(0)

    local.clock.advance(hours=1)

    (held,) = (await waiting).leases
    assert held.task.id == task.id


async def test_a_time_from_now_counts_from_the_clock(local: LocalOrchestrion) -> None:
    local.clock.advance(days=3)

    one = await local.client.tasks.create("summarize", {}, run_at="+15m")
    other = local.sync_client.tasks.create("summarize", {}, run_at=timedelta(hours=1))

    assert one.scheduled_at == START + timedelta(days=3, minutes=15)
    assert other.scheduled_at == START + timedelta(days=3, hours=1)


async def test_finished_tasks_go_when_their_retention_is_over(local: LocalOrchestrion) -> None:
    task = await local.client.tasks.create("summarize", {})
    await local.client.tasks.cancel(task.id)

    local.clock.advance(days=31)

    with pytest.raises(TaskNotFound):
        await local.client.tasks.get(task.id)


async def test_a_wait_in_vain_passes_at_once(local: LocalOrchestrion) -> None:
    task = await local.client.tasks.create("summarize", {})
    began = time.monotonic()

    assert not (await local.client.tasks.claim("mail", wait_seconds=10)).leases
    with pytest.raises(Timeout):
        await local.client.tasks.wait(task.id, timeout=15)
    with pytest.raises(Timeout):
        local.sync_client.tasks.wait(task.id, timeout=15)

    assert time.monotonic() < began + REAL_SECONDS_MAX
    assert local.clock.now() == START


async def test_a_claim_that_waits_gets_the_task_that_comes(local: LocalOrchestrion) -> None:
    waiting = asyncio.create_task(local.client.tasks.claim("summarize", wait_seconds=50))
    await asyncio.sleep(0)

    task = await local.client.tasks.create("summarize", {})

    (held,) = (await waiting).leases
    assert held.task.id == task.id


async def test_who_is_cancelled_while_waiting_takes_no_task(local: LocalOrchestrion) -> None:
    async with local.raw_client() as raw:
        body = {"type": "summarize", "wait_seconds": 50}
        waiting = asyncio.create_task(raw.post("/v1/tasks/claim", json=body))
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    task = await local.client.tasks.create("summarize", {})

    assert (await local.client.tasks.get(task.id)).status == "pending"


async def test_accounts_do_not_see_each_other(local: LocalOrchestrion) -> None:
    task = await local.client.tasks.create("summarize", {})

    async with local.connect(local.register()) as other:
        with pytest.raises(TaskNotFound):
            await other.tasks.get(task.id)


def test_it_serves_several_accounts_and_databases_at_a_time() -> None:
    with LocalOrchestrion() as one, LocalOrchestrion() as other:
        keys = {one.register() for _ in range(12)}
        task = one.sync_client.tasks.create("summarize", {})

        assert len(keys) == 12
        assert not other.sync_client.tasks.list().items
        assert abs(datetime.now(UTC) - one.clock.now()) < timedelta(minutes=1)
        assert task.created_at == one.clock.now()


async def test_it_is_an_async_context_too() -> None:
    async with LocalOrchestrion(start=START) as local:
        assert (await local.client.stats()).counts.pending == 0


def test_time_runs_forwards_only(local: LocalOrchestrion) -> None:
    local.clock.set(START + timedelta(days=1))

    with pytest.raises(ValueError, match="forwards"):
        local.clock.set(START)
    with pytest.raises(ValueError, match="forwards"):
        local.clock.advance(seconds=-1)
    with pytest.raises(ValueError, match="offset"):
        local.clock.set(datetime(2028, 1, 1))  # noqa: DTZ001 - what is refused
    assert local.clock.now() == START + timedelta(days=1)


def test_nothing_is_left_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    with LocalOrchestrion() as local:
        local.sync_client.tasks.create("summarize", {})
        assert list(tmp_path.iterdir())

    assert not list(tmp_path.iterdir())


async def test_a_refusal_that_only_time_mends_is_heard_at_once(local: LocalOrchestrion) -> None:
    began = time.monotonic()
    for _ in range(10):
        await local.client.keys.register()

    with pytest.raises(RateLimited):
        await local.client.keys.register()
    local.clock.advance(hours=1)
    await local.client.keys.register()

    assert time.monotonic() < began + REAL_SECONDS_MAX


async def test_repeats_of_a_client_take_no_time() -> None:
    began = time.monotonic()
    async with LocalOrchestrion() as local:
        client = local.connect()

    async with client:
        with pytest.raises(ConnectionFailed, match="6 tries"):
            await client.tasks.list()
    assert time.monotonic() < began + REAL_SECONDS_MAX


def test_who_asks_after_the_end_is_told_that_nobody_answers() -> None:
    with LocalOrchestrion() as local:
        client = local.connect_sync()

    with client, pytest.raises(ConnectionFailed, match="has been stopped"):
        client.tasks.list()


def test_a_database_that_cannot_be_opened_leaves_no_thread(tmp_path: Path) -> None:
    hosting = Hosting(tmp_path / "missing" / "orchestrion.db", StoppedTime(instant_of(START)))

    with pytest.raises(StoreRefused):
        hosting.start()

    assert "orchestrion" not in {thread.name for thread in threading.enumerate()}


def test_what_breaks_in_the_application_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    LoggingObserver().fault("job_failed", "req_1", LookupError("gone"))

    (record,) = caplog.records
    assert (record.name, record.levelname) == ("orchestrion.testing", "ERROR")
    assert "LookupError: gone" in caplog.text


async def test_a_claim_block_completes_its_task(local: LocalOrchestrion) -> None:
    for _ in range(2):
        await local.client.tasks.create("summarize", {})

    async with local.client.claim("summarize") as lease:
        assert lease
        lease.result = {"by": "async"}
    with local.sync_client.claim("summarize") as block:
        assert block
        block.result = {"by": "sync"}

    assert (await local.client.stats()).counts.completed == 2


async def test_a_claim_block_that_outlives_its_lease_completes_nothing(
    local: LocalOrchestrion,
) -> None:
    task = await local.client.tasks.create("summarize", {}, lease_seconds=300)

    async def outlive() -> None:
        async with local.client.claim("summarize") as lease:
            assert lease
            local.clock.advance(minutes=6)
            lease.result = {}

    with pytest.raises(LeaseExpired):
        await outlive()

    assert (await local.client.tasks.get(task.id)).status == "pending"
