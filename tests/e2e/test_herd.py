"""Ten thousand leases end in the same second, and nobody else notices."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

import pytest

from orchestrion import AsyncOrchestrion
from orchestrion.client.task import Beat, Held, NewTask, Task
from tests.chaos.campaign import SHORT
from tests.databases import POSTGRES, SQLITE, Databases
from tests.e2e.serving import Launch, Served, serving

TYPE: Final = "herd"
HERD: Final = 10_000
AT_ONCE: Final = 8
BATCH: Final = 100
CLAIMED_AT_ONCE: Final = 50
# Longer than it takes to claim and to renew them all.
LEASE_SECONDS: Final = 15
PATIENCE_SECONDS: Final = 120
OTHER: Final = "other"

T = TypeVar("T")


@pytest.fixture(params=[SQLITE, POSTGRES])
def served(
    request: pytest.FixtureRequest, databases: Databases, tmp_path: Path
) -> Iterator[Served]:
    url = f"sqlite:///{tmp_path / 'herd.db'}"
    if request.param == POSTGRES:
        url = databases.postgres.bare()
    flags = ("--port", "0", "--database", url, "--log-format", "json")
    with serving(Path(), launch=Launch(program=SHORT, arguments=flags)) as served:
        yield served


async def test_all_are_claimable_again_and_others_are_served_meanwhile(served: Served) -> None:
    async with clients(served) as (herd, other):
        await made(herd)
        leases = await all_claimed(herd)
        first_end = await renewed(herd, leases)
        lives = await lived(other, first_end, asyncio.create_task(all_back(herd)))
        again = await all_claimed(herd)
        health = await other.health()

    assert lives > 0
    assert {lease.task.id for lease in again} == {lease.task.id for lease in leases}
    assert {lease.task.attempt_count for lease in again} == {2}
    assert health.lease_expiry_job.healthy
    assert [line["event"] for line in served.lines if line["level"] == "error"] == []


@asynccontextmanager
async def clients(served: Served) -> AsyncIterator[tuple[AsyncOrchestrion, AsyncOrchestrion]]:
    """Give clients of two accounts, who ask everything once only."""
    url, key = served.url(), served.first_key()
    async with AsyncOrchestrion(url, key, max_retries=0) as herd:
        registered = await herd.keys.register()
        async with AsyncOrchestrion(url, registered.api_key, max_retries=0) as other:
            yield herd, other


async def made(herd: AsyncOrchestrion) -> None:
    new = NewTask(type=TYPE, payload={}, lease_seconds=LEASE_SECONDS)
    await in_turns(herd.tasks.create_many([new] * BATCH) for _ in range(HERD // BATCH))


async def all_claimed(herd: AsyncOrchestrion) -> list[Held]:
    claims = (
        herd.tasks.claim(TYPE, max_tasks=CLAIMED_AT_ONCE) for _ in range(HERD // CLAIMED_AT_ONCE)
    )
    leases = [lease for claimed in await in_turns(claims) for lease in claimed.leases]
    assert len({lease.task.id for lease in leases}) == len(leases) == HERD
    return leases


async def renewed(herd: AsyncOrchestrion, leases: Sequence[Held]) -> datetime:
    """Renew all at the same time, so that they end at the same time; gives when the first does."""
    beats = [Beat(id=lease.task.id, lease_token=lease.lease_token) for lease in leases]
    batches = (beats[first : first + BATCH] for first in range(0, HERD, BATCH))
    ends = [
        answer.lease_expires_at
        for answers in await in_turns(herd.tasks.heartbeat_many(batch) for batch in batches)
        for answer in answers
        if isinstance(answer, Task) and answer.lease_expires_at
    ]
    assert len(ends) == HERD
    return min(ends)


async def all_back(herd: AsyncOrchestrion) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await herd.stats()).counts.pending < HERD:
            # So long the server waits, for what never comes.
            await herd.tasks.claim("nothing", wait_seconds=1)


async def lived(other: AsyncOrchestrion, since: datetime, over: asyncio.Task[None]) -> int:
    """Take tasks through their lives; gives how many began and ended between two moments."""
    lives = 0
    while not over.done():
        task = await other.tasks.create(OTHER, {})
        (lease,) = (await other.tasks.claim(OTHER)).leases
        await other.tasks.complete(task.id, lease.lease_token)
        assert task.created_at
        lives += task.created_at >= since and not over.done()
    over.result()
    return lives


async def in_turns(calls: Iterable[Awaitable[T]]) -> list[T]:
    """Ask some at a time."""
    line, answers = iter(calls), []

    async def ask() -> None:
        answers.extend([await call for call in line])

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(ask())
    return answers
