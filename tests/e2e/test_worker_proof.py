"""Worker processes that are killed, stopped and blocked, on both databases: nothing is lost."""

import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from orchestrion import Orchestrion, Task
from orchestrion.client.task import NewTask
from tests.databases import POSTGRES, SQLITE, Databases
from tests.e2e.serving import PATIENCE_SECONDS, Launch, Served
from tests.e2e.worker_processes import Run, Workforce, workforce
from tests.ports import free_port

SEED: Final = 20_261_122
TASKS: Final = 10_000
WORKERS: Final = 8
SLOTS: Final = 20
KILLS: Final = 20
RESTART_AT: Final = 10
LEASE_SECONDS: Final = 30
BLOCKED_SECONDS: Final = 2 * LEASE_SECONDS + 2
# Few lengths: runs end together, in few requests, so that processors are no limit.
HANDLER_SECONDS: Final = (0.3, 0.6)
# So many runs begin between two kills, at least and at most: the kills are over before the work.
RUNS_APART: Final = (TASKS * 2 // KILLS // 10, TASKS * 7 // KILLS // 10)
WHOLE_SECONDS: Final = 150.0
POLL_SECONDS: Final = 0.05

STOPPED_TASKS: Final = 300
STOPPED_RUNS: Final = 60
STOP_WITH_CRASH: Final = 2
STOPPED_SECONDS: Final = (0.05, 1.5)
GRACE_SECONDS: Final = 0.3


class Stand:
    """A server at a port that it keeps when it is started again."""

    def __init__(self, kind: str, address: str) -> None:
        self.kind = kind
        place = ("--port", str(free_port()), "--database", address, "--log-format", "json")
        self._launch = Launch(arguments=place)
        self._ended: list[Served] = []
        self._served = self._started()
        self.key = self._served.first_key()
        self.url = self._served.url()

    def restart(self) -> None:
        """Stop, and serve again."""
        self.stop()
        self._again()

    def crash(self) -> None:
        """End at once, and serve again."""
        self._served.kill()
        self._again()

    def faults(self) -> list[Mapping[str, Any]]:
        """What the servers complained of, but for what a test database does without."""
        return [
            line
            for served in (*self._ended, self._served)
            for line in served.lines
            if line["level"] not in {"info", "debug"} and line["event"] != "database_at_risk"
        ]

    def stop(self) -> None:
        """Stop, well."""
        assert self._served.stop() == 0

    def end(self) -> None:
        """Leave no process."""
        if self._served.process.poll() is None:
            self._served.kill()

    def _again(self) -> None:
        self._ended.append(self._served)
        self._served = self._started()
        assert self._served.url() == self.url

    def _started(self) -> Served:
        return Served(Path(), launch=self._launch)


@contextmanager
def standing(kind: str, address: str) -> Iterator[Stand]:
    stand = Stand(kind, address)
    try:
        yield stand
        stand.stop()
    finally:
        stand.end()


@pytest.fixture(params=[SQLITE, POSTGRES])
def stand(request: pytest.FixtureRequest, databases: Databases, tmp_path: Path) -> Iterator[Stand]:
    if request.param == SQLITE:
        with standing(SQLITE, f"sqlite:///{tmp_path / 'orchestrion.db'}") as stand:
            yield stand
    else:
        with databases.postgres.made() as database, standing(POSTGRES, database.url) as stand:
            yield stand


@pytest.fixture
def client(stand: Stand) -> Iterator[Orchestrion]:
    with Orchestrion(stand.url, stand.key) as client:
        yield client


@pytest.fixture
def force(stand: Stand, tmp_path: Path) -> Iterator[Workforce]:
    folder = tmp_path / "workers"
    folder.mkdir()
    with workforce(stand.url, stand.key, folder) as force:
        yield force


def until(seen: Callable[[], bool], force: Workforce, deadline: float) -> None:
    """Look again and again until something is so; says what the workers said if it never is."""
    while not seen():
        assert time.monotonic() < deadline, force.said()
        time.sleep(POLL_SECONDS)


def create(client: Orchestrion, count: int, seconds: Callable[[], float]) -> dict[str, int]:
    """Create tasks that take so many seconds each; gives the number in each."""
    made = client.tasks.create_many(
        NewTask(
            type="count",
            payload={"number": number, "seconds": seconds()},
            max_attempts=10,
            lease_seconds=LEASE_SECONDS,
        )
        for number in range(count)
    )
    tasks = [task for task in made if isinstance(task, Task)]
    assert len(tasks) == count
    return {task.id: number for number, task in enumerate(tasks)}


def everything(client: Orchestrion, type_: str) -> dict[str, Task]:
    """Read all tasks of a type as the API has them."""
    return {task.id: task for task in client.tasks.iter(type=type_)}


def unfinished(client: Orchestrion, type_: str) -> bool:
    """Tell whether any task of a type waits or is held, both counted at one moment."""
    (found,) = (counted for counted in client.stats().types if counted.type == type_)
    return found.counts.pending + found.counts.claimed > 0


class Slaughter:
    """Kills workers that are in the middle of runs, and starts others in their place."""

    def __init__(self, force: Workforce, chance: random.Random) -> None:
        self._force = force
        self._chance = chance
        self.living = [self._start() for _ in range(WORKERS)]
        self.killed: list[int] = []

    def kill_one(self, deadline: float) -> None:
        """Kill some worker once some more runs have begun."""
        runs = self._force.runs
        enough = runs.begun() + self._chance.randint(*RUNS_APART)
        until(lambda: runs.begun() >= enough, self._force, deadline)
        victim = self._chance.choice([pid for pid in self.living if pid in runs.busy()])
        self._force.kill(victim)
        self.killed.append(victim)
        self.living[self.living.index(victim)] = self._start()

    def _start(self) -> int:
        return self._force.start("worker_counting", concurrency=SLOTS)


def check_once(
    numbers: Mapping[str, int], tasks: Mapping[str, Task], runs: Sequence[Run], killed: set[int]
) -> None:
    """See that every task was completed once, by its last attempt, and none other was but a kill's.

    A task may have run before where its worker was killed; nowhere else.
    """
    assert set(tasks) == set(numbers)
    assert Counter(task.status for task in tasks.values()) == {"completed": len(numbers)}
    began: defaultdict[str, dict[int, int]] = defaultdict(dict)
    ended: defaultdict[str, dict[int, int]] = defaultdict(dict)
    for run in runs:
        noted = began if run.word == "began" else ended
        # One attempt runs once.
        assert run.attempt not in noted[run.task], run
        noted[run.task][run.attempt] = run.pid
    for task_id, task in tasks.items():
        last = task.attempt_count
        assert task.result == {
            "square": numbers[task_id] ** 2,
            "attempt": last,
            "by": ended[task_id][last],
        }, task
        assert set(began[task_id]) <= set(range(1, last + 1))
        before = {pid for attempt, pid in began[task_id].items() if attempt < last}
        assert before <= killed, (task_id, before)


def figures(tasks: Mapping[str, Task], runs: Sequence[Run]) -> str:
    words = Counter(run.word for run in runs)
    attempts = Counter(task.attempt_count for task in tasks.values())
    return (
        f"{len(tasks)} tasks completed; runs begun {words['began']}, ended {words['ended']}; "
        f"tasks by attempts {dict(sorted(attempts.items()))}"
    )


def test_killed_workers_lose_no_task_and_no_task_is_completed_twice(
    stand: Stand, client: Orchestrion, force: Workforce
) -> None:
    """Beside them, a worker on a blocked event loop keeps its lease through it all."""
    chance = random.Random(SEED)
    began = time.monotonic()
    deadline = began + WHOLE_SECONDS
    payload = {"seconds": BLOCKED_SECONDS}
    blocked = client.tasks.create("stubborn", payload, lease_seconds=LEASE_SECONDS)
    stubborn = force.start("worker_stubborn")
    numbers = create(client, TASKS, lambda: chance.choice(HANDLER_SECONDS))
    slaughter = Slaughter(force, chance)

    for kill in range(KILLS):
        if kill == RESTART_AT:
            stand.restart()
        slaughter.kill_one(deadline)
    under_load = time.monotonic() - began
    until(lambda: not unfinished(client, "count"), force, deadline)

    tasks, runs = everything(client, "count"), force.runs.look()
    print(  # noqa: T201 - what the proof came to
        f"\n{stand.kind}, seed {SEED}: {WORKERS} workers, {len(slaughter.killed)} kills in "
        f"{under_load:.1f} s, all done after {time.monotonic() - began:.1f} s; "
        + figures(tasks, runs)
    )
    check_once(numbers, tasks, runs, set(slaughter.killed))
    # Every kill cut something off, and cost no more than what its worker was at, and what it had
    # ended but not been told of as taken.
    repeated = sum(task.attempt_count - 1 for task in tasks.values())
    untold = sum(run.word == "ended" for run in runs) - TASKS
    assert KILLS <= repeated <= KILLS * SLOTS + untold
    # The others never ended by themselves, with the server away or not.
    assert all(force.running(pid) for pid in (*slaughter.living, stubborn)), force.said()
    done = client.tasks.wait(blocked.id, timeout=PATIENCE_SECONDS)
    assert (done.status, done.attempt_count) == ("completed", 1)
    assert done.result == {"attempt": 1, "by": stubborn}
    assert force.stop(*slaughter.living, stubborn) == [0] * (WORKERS + 1), force.said()
    assert stand.faults() == []


def test_workers_asked_to_stop_under_load_charge_no_attempt(
    stand: Stand, client: Orchestrion, force: Workforce
) -> None:
    """Nor does a server that crashes under a worker and is started again."""
    chance = random.Random(SEED)
    deadline = time.monotonic() + WHOLE_SECONDS
    numbers = create(client, STOPPED_TASKS, lambda: chance.uniform(*STOPPED_SECONDS))

    stops = 0
    while unfinished(client, "count"):
        pid = force.start("worker_counting", concurrency=SLOTS, grace=GRACE_SECONDS)
        if stops == STOP_WITH_CRASH:
            some_runs(client, force, deadline)
            stand.crash()
        some_runs(client, force, deadline)
        assert force.stop(pid) == [0], force.said()
        check_uncharged(everything(client, "count"))
        stops += 1

    tasks, runs = everything(client, "count"), force.runs.look()
    words = Counter(run.word for run in runs)
    print(  # noqa: T201 - what the proof came to
        f"\n{stand.kind}, seed {SEED}: {stops} stops; " + figures(tasks, runs)
    )
    assert set(tasks) == set(numbers)
    assert {task.status for task in tasks.values()} == {"completed"}
    # Some runs were cut off by the grace: else nothing was tried.
    assert words["began"] > words["ended"] == STOPPED_TASKS


def some_runs(client: Orchestrion, force: Workforce, deadline: float) -> None:
    """Wait until some more runs have begun, or nothing is left to do."""
    enough = force.runs.begun() + STOPPED_RUNS
    until(lambda: force.runs.begun() >= enough or not unfinished(client, "count"), force, deadline)


def check_uncharged(tasks: Mapping[str, Task]) -> None:
    """See that a task is completed by its first attempt, or waits as if it had not been claimed."""
    found = Counter((task.status, task.attempt_count) for task in tasks.values())
    assert set(found) <= {("completed", 1), ("pending", 0)}, found
    assert all(task.last_failed_at is None for task in tasks.values())
