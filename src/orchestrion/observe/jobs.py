"""When each background job last began, ended and failed; why is the log's to say."""

from collections.abc import Mapping

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from orchestrion.core.instants import SECOND, Instant
from orchestrion.engine.ports import Clock


class JobRun(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one job since the process started."""

    started_at: Instant | None = None
    finished_at: Instant | None = None
    failed_at: Instant | None = None
    failures: int = 0
    last_fault: str = ""


NEVER_RUN = JobRun()


class JobHistory:
    """The job status of this process; job names are the few that the code registers."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._runs: dict[str, JobRun] = {}

    def started(self, job: str) -> None:
        """Note that a job began."""
        self._runs[job] = msgspec.structs.replace(self.run(job), started_at=self._clock.now())

    def finished(self, job: str) -> None:
        """Note that a job did what it is for."""
        self._runs[job] = msgspec.structs.replace(self.run(job), finished_at=self._clock.now())

    def failed(self, job: str, error: BaseException) -> None:
        """Note that a job ended without doing what it is for."""
        run = self.run(job)
        self._runs[job] = msgspec.structs.replace(
            run,
            failed_at=self._clock.now(),
            failures=run.failures + 1,
            last_fault=type(error).__qualname__,
        )

    def last_run_at(self, job: str) -> Instant | None:
        """When the job last finished: one that hangs or always fails shows as stale."""
        return self.run(job).finished_at

    def run(self, job: str) -> JobRun:
        """All that is known of one job."""
        return self._runs.get(job, NEVER_RUN)

    def runs(self) -> dict[str, JobRun]:
        """Every job that has begun, by name."""
        return self._runs.copy()


def job_families(runs: Mapping[str, JobRun]) -> list[Metric]:
    """What is known of the jobs as metrics; an instant that never came has no sample."""
    failures = CounterMetricFamily(
        "orchestrion_job_failures", "Runs of a job that failed.", labels=("job",)
    )
    for job, run in runs.items():
        failures.add_metric((job,), run.failures)
    return [
        _instants("started", {job: run.started_at for job, run in runs.items()}),
        _instants("finished", {job: run.finished_at for job, run in runs.items()}),
        _instants("failed", {job: run.failed_at for job, run in runs.items()}),
        failures,
    ]


def _instants(what: str, instants: Mapping[str, Instant | None]) -> Metric:
    family = GaugeMetricFamily(
        f"orchestrion_job_last_{what}_timestamp_seconds",
        f"When a job last {what}.",
        labels=("job",),
    )
    for job, instant in instants.items():
        if instant is not None:
            family.add_metric((job,), instant / SECOND)
    return family
