"""Tasks handled by the worker runtime in this one process, by a handler that does nothing."""

import time
from typing import Any, Final

from orchestrion.cli.bench_latency import Stopwatch
from orchestrion.cli.bench_load import Load
from orchestrion.cli.bench_report import Outcome
from orchestrion.cli.refusals import Refusal
from orchestrion.client.aio import AsyncOrchestrion
from orchestrion.client.config import Target
from orchestrion.client.errors import APIError
from orchestrion.client.task import NewTask
from orchestrion.worker import Worker

CREATED_AT_ONCE: Final = 1_000
SAMPLES_MAX: Final = 2_000


class Handled:
    """One run of a load: creates its tasks, then lets a worker do them; `done` counts those."""

    def __init__(self, client: AsyncOrchestrion, target: Target, load: Load) -> None:
        assert load.tasks is not None
        self._client = client
        self._load = load
        self._tasks = load.tasks
        self._worker = Worker(
            name="bench", concurrency=load.workers, url=target.url, api_key=target.api_key
        )
        self._worker.task(load.type)(self._handle)
        self.done = 0

    async def run(self) -> Outcome:
        """Create, handle, and ask the server whether nothing is left."""
        await self._create()
        began = time.perf_counter()
        await self._worker.serve()
        seconds = time.perf_counter() - began
        await self._refuse_leftovers()
        return Outcome(
            tasks=self.done,
            seconds=seconds,
            latencies={"claimed to completed": (await self._sampled()).latency},
        )

    async def _handle(self, _payload: dict[str, Any]) -> dict[str, Any]:
        self.done += 1
        if self.done >= self._tasks:
            self._worker.stop()
        return {}

    async def _create(self) -> None:
        new = NewTask(type=self._load.type, payload=self._load.payload)
        for begun in range(0, self._tasks, CREATED_AT_ONCE):
            count = min(CREATED_AT_ONCE, self._tasks - begun)
            for answer in await self._client.tasks.create_many([new] * count):
                if isinstance(answer, APIError):
                    raise answer

    async def _refuse_leftovers(self) -> None:
        for status in ("pending", "claimed", "dead_letter"):
            page = await self._client.tasks.list(status=status, type=self._load.type, limit=1)
            if page.items:
                raise Refusal(
                    f"a task is {status} after all of them were handled: the measurement is void",
                    f"orchestrion tasks list --type {self._load.type} --status {status}",
                )

    async def _sampled(self) -> Stopwatch:
        """Look at tasks of the end of the run, by the server's clock."""
        watch = Stopwatch()
        seen = 0
        async for task in self._client.tasks.iter(status="completed", type=self._load.type):
            assert task.claimed_at is not None
            assert task.completed_at is not None
            watch.add((task.completed_at - task.claimed_at).total_seconds())
            seen += 1
            if seen >= SAMPLES_MAX:
                break
        return watch
