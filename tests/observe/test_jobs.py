"""When jobs ran, by a clock one can set."""

from orchestrion.core.instants import Instant
from orchestrion.engine.ports import JobStatus
from orchestrion.observe.jobs import JobHistory
from tests.observe.conftest import SettableClock


def test_job_that_never_ran_has_no_last_run(clock: SettableClock) -> None:
    status: JobStatus = JobHistory(clock)

    assert status.last_run_at("expire_leases") is None


def test_last_run_is_when_a_run_finished(clock: SettableClock) -> None:
    jobs = JobHistory(clock)

    jobs.started("expire_leases")
    clock.instant = Instant(2_000)
    jobs.finished("expire_leases")
    clock.instant = Instant(3_000)
    jobs.started("expire_leases")

    assert jobs.last_run_at("expire_leases") == 2_000
    assert jobs.run("expire_leases").started_at == 3_000


def test_failing_and_hanging_jobs_look_stale(clock: SettableClock) -> None:
    jobs = JobHistory(clock)
    clock.instant = Instant(1_000)

    jobs.started("purge_finished")
    jobs.failed("purge_finished", OSError("no space"))
    jobs.started("expire_leases")

    assert jobs.last_run_at("purge_finished") is None
    assert jobs.last_run_at("expire_leases") is None
    run = jobs.run("purge_finished")
    assert (run.failed_at, run.failures, run.last_fault) == (1_000, 1, "OSError")
