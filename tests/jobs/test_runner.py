"""Jobs run on their timers, on a clock that does not wait."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise

import msgspec

from orchestrion.jobs.runner import JITTER_SHARE, Job, Runner
from orchestrion.observe.jobs import JobHistory
from tests.clocks import SettableClock
from tests.jobs.virtual import VirtualLoop, passing
from tests.observers import KeepingObserver

PERIOD = 10.0


class Ran(msgspec.Struct):
    """Jobs that ran for a while: when each run began, and what was noted."""

    starts: dict[str, list[float]]
    history: JobHistory
    observer: KeepingObserver

    def gaps(self, name: str) -> list[float]:
        return [later - earlier for earlier, later in pairwise(self.starts[name])]


def run_for(seconds: float, **works: Callable[[], Awaitable[None]]) -> Ran:
    """Run a job for each work, every PERIOD seconds, in virtual time."""
    ran = Ran({name: [] for name in works}, JobHistory(SettableClock()), KeepingObserver())

    def noting(name: str, work: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            ran.starts[name].append(asyncio.get_running_loop().time())
            await work()

        return run

    jobs = [Job(name=name, seconds=PERIOD, run=noting(name, work)) for name, work in works.items()]

    async def main() -> None:
        running = asyncio.create_task(Runner(jobs, ran.history, ran.observer).run())
        await passing(seconds)
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())
    return ran


async def nothing() -> None:
    pass


async def long_work() -> None:
    await passing(3 * PERIOD)


async def broken() -> None:
    raise ZeroDivisionError


def test_a_job_runs_at_once_and_then_every_period_or_a_little_earlier() -> None:
    gaps = run_for(1_000 * PERIOD, job=nothing).gaps("job")

    assert len(gaps) >= 1_000
    assert all(PERIOD * (1 - JITTER_SHARE) <= gap <= PERIOD for gap in gaps)


def test_jobs_drift_apart() -> None:
    ran = run_for(100 * PERIOD, one=nothing, two=nothing)

    assert ran.starts["one"][0] == ran.starts["two"][0] == 0
    assert len({round(gap, 6) for gap in ran.gaps("one")}) > 50
    assert ran.starts["one"][1:] != ran.starts["two"][1:]


def test_a_slow_job_delays_no_other_and_never_meets_itself() -> None:
    ran = run_for(100 * PERIOD, slow=long_work, quick=nothing)

    assert max(ran.gaps("quick")) <= PERIOD
    assert min(ran.gaps("slow")) >= 3 * PERIOD


def test_a_job_that_fails_is_noted_and_runs_again() -> None:
    ran = run_for(10 * PERIOD, broken=broken, other=nothing)

    runs = len(ran.starts["broken"])
    assert runs >= 10
    assert ran.history.run("broken").failures == runs
    assert ran.history.last_run_at("broken") is None
    assert {event for event, _, _ in ran.observer.faults} == {"job_broken_failed"}
    assert len(ran.observer.faults) == runs
    assert len(ran.starts["other"]) >= 10


def test_a_job_that_recovers_counts_as_run() -> None:
    outcomes = iter([ZeroDivisionError, None, ZeroDivisionError])

    async def unsteady() -> None:
        outcome = next(outcomes, None)
        if outcome is not None:
            raise outcome

    ran = run_for(5 * PERIOD, unsteady=unsteady)

    assert ran.history.run("unsteady").failures == 2
    assert ran.history.last_run_at("unsteady") is not None


def test_a_job_cut_off_in_its_run_is_neither_done_nor_failed() -> None:
    ran = run_for(PERIOD, slow=long_work)

    run = ran.history.run("slow")
    assert run.started_at is not None
    assert (run.finished_at, run.failed_at) == (None, None)
