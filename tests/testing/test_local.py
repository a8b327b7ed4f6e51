"""The application in a test's own process: time that tests move, waits that pass at once."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrion import InvalidTransition, TaskNotFound, Timeout
from orchestrion.testing import LocalOrchestrion

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

    assert not (await local.client.tasks.claim("mail", wait_seconds=20)).leases
    with pytest.raises(Timeout):
        await local.client.tasks.wait(task.id, timeout=30)
    with pytest.raises(Timeout):
        local.sync_client.tasks.wait(task.id, timeout=30)

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
