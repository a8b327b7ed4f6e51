"""A worker that serves while a block of a test runs, and conditions that tests wait for."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from orchestrion import Task, Worker
from orchestrion.testing import LocalOrchestrion

PATIENCE_SECONDS = 30
LOOK_SECONDS = 0.01


@asynccontextmanager
async def serving(worker: Worker, local: LocalOrchestrion) -> AsyncIterator[asyncio.Task[None]]:
    """Serve until the block ends, then stop; the worker's end is awaited in any case."""
    with local.attached(worker):
        served = asyncio.create_task(worker.serve())
        try:
            yield served
        finally:
            worker.stop()
            await served


async def until(seen: Callable[[], object]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not seen():  # noqa: ASYNC110 - other threads make it so
            await asyncio.sleep(LOOK_SECONDS)


def wait_until(seen: Callable[[], object]) -> None:
    """Wait until something is so, in code that awaits nothing."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not seen():
        assert time.monotonic() < deadline
        time.sleep(LOOK_SECONDS)


async def ended(local: LocalOrchestrion, task: Task) -> Task:
    """Wait until a task has ended."""
    return await local.client.tasks.wait(task.id, timeout=PATIENCE_SECONDS * 50)
