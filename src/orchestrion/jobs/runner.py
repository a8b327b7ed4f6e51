"""Runs each job again and again until it is cancelled; a run that breaks is noted, not fatal."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from orchestrion.engine.ports import JobStatus, Observer

# Runs of several processes drift apart, so that they do not meet at the database.
JITTER_SHARE: Final = 0.1


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Something to do every `seconds`, the first time at once."""

    name: str
    seconds: float
    run: Callable[[], Awaitable[None]]


class Runner:
    """Runs jobs."""

    def __init__(self, jobs: Sequence[Job], status: JobStatus, observer: Observer) -> None:
        self.jobs = tuple(jobs)
        self._status = status
        self._observer = observer

    async def run(self) -> None:
        """Run every job on its timer, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for job in self.jobs:
                group.create_task(self._repeat(job), name=job.name)

    async def once(self, job: Job) -> None:
        """Run a job now and note how it went."""
        self._status.started(job.name)
        try:
            await job.run()
        except Exception as error:  # noqa: BLE001 - a job that broke runs again next time
            self._status.failed(job.name, error)
            self._observer.fault(f"job_{job.name}_failed", "", error)
        else:
            self._status.finished(job.name)

    async def _repeat(self, job: Job) -> None:
        while True:
            await self.once(job)
            # Earlier rather than later: the period is a promise.
            early = random.random() * JITTER_SHARE  # noqa: S311 - no secret
            await asyncio.sleep(job.seconds * (1 - early))
