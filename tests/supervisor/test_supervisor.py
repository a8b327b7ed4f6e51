"""A supervisor's workers: real processes that serve nobody."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from orchestrion.core.instants import Instant
from orchestrion.engine.clock import SteadyClock
from orchestrion.observe.logs import LogOptions, Logs
from orchestrion.supervisor.child import Launch
from orchestrion.supervisor.slot import SupervisorLimits
from orchestrion.supervisor.supervisor import Supervisor

PATIENCE_SECONDS = 20
STANDIN = Path(__file__).with_name("standin.py")
LIMITS = SupervisorLimits(
    start_seconds=10, stop_seconds=10, start_deaths_max=3, wait_seconds_min=0.01, wait_seconds_max=1
)
Note = tuple[str, int, int]


class Crew:
    """A supervisor that runs, what its workers noted and what it logged."""

    def __init__(self, folder: Path, limits: SupervisorLimits, workers: int, log: int) -> None:
        self.stop = asyncio.Event()
        self.renew = asyncio.Event()
        self.folder = folder
        self._logs = Logs(LogOptions(descriptor=log, format="json"), SteadyClock(Instant(0)))
        launch = Launch(
            command=(sys.executable, str(STANDIN), str(folder)),
            listeners=(),
            metrics_listeners=(),
            greets=True,
        )
        supervisor = Supervisor(launch, workers, limits, self._logs)
        self._running = asyncio.create_task(supervisor.run(self.stop, self.renew))

    def behave(self, behaviour: str) -> None:
        (self.folder / "behaviour").write_text(behaviour, "utf-8")

    @property
    def notes(self) -> list[Note]:
        """What happened in workers, in order: event, index, process."""
        path = self.folder / "notes"
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        parts = [line.rsplit(" ", 2) for line in lines]
        return [(event, int(index), int(pid)) for event, index, pid in parts]

    def pids(self, *events: str) -> list[int]:
        return [pid for event, _, pid in self.notes if event in events]

    async def until(self, seen: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not seen():
                assert not self._running.done(), self.notes
                await asyncio.sleep(0.01)

    async def until_serving(self, count: int) -> list[int]:
        """Wait until so many workers have begun to serve; gives them all."""
        await self.until(lambda: len(self.pids("greets", "serves")) >= count)
        return self.pids("greets", "serves")

    async def code(self) -> int:
        """Wait for the end; gives the exit code, once no process is left."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            code = await asyncio.shield(self._running)
        self._logs.close()
        assert not any(map(alive, self.pids("started")))
        return code

    async def stopped(self) -> int:
        self.stop.set()
        return await self.code()

    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8")


@asynccontextmanager
async def crew_in(
    folder: Path, behaviour: str = "", limits: SupervisorLimits = LIMITS, workers: int = 2
) -> AsyncIterator[Crew]:
    (folder / "behaviour").write_text(behaviour, "utf-8")
    with (folder / "log").open("wb") as log:
        crew = Crew(folder, limits, workers, log.fileno())
        try:
            yield crew
        finally:
            await crew.stopped()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# --- the first start


async def test_the_first_worker_serves_before_others_start_and_greets_alone(tmp_path: Path) -> None:
    async with crew_in(tmp_path, workers=3) as crew:
        await crew.until_serving(3)

        events = [event for event, _, _ in crew.notes]
        assert events[:2] == ["started", "greets"]
        assert events.count("greets") == 1
        assert sorted(index for _, index, _ in crew.notes) == [0, 0, 1, 1, 2, 2]
        assert await crew.stopped() == 0
        assert len(crew.pids("stopped")) == 3


async def test_a_first_worker_that_refuses_ends_all_with_its_code_and_no_further_word(
    tmp_path: Path,
) -> None:
    async with crew_in(tmp_path, "refuse") as crew:
        assert await crew.code() == 3

        assert len(crew.notes) == 1
        assert crew.log() == ""


async def test_a_later_worker_that_refuses_is_named_and_tried_again_while_others_serve(
    tmp_path: Path,
) -> None:
    limits = replace(LIMITS, wait_seconds_max=0.1)
    async with crew_in(tmp_path, "refuse the second", limits, workers=3) as crew:
        await crew.until(lambda: crew.log().count("exit code 4") > LIMITS.start_deaths_max)
        first, third = await crew.until_serving(2)

        assert alive(first)
        assert alive(third)
        lines = [json.loads(line) for line in crew.log().splitlines()]
        assert {(line["event"], line["worker"]) for line in lines} == {("worker did not start", 1)}
        crew.behave("")
        await crew.until_serving(3)
        assert crew.notes[-1][1] == 1
        assert await crew.stopped() == 0
        assert len(crew.pids("stopped")) == 3


async def test_a_renewal_does_not_wait_for_a_worker_that_cannot_start(tmp_path: Path) -> None:
    limits = replace(LIMITS, wait_seconds_min=PATIENCE_SECONDS, wait_seconds_max=PATIENCE_SECONDS)
    async with crew_in(tmp_path, "refuse the second", limits) as crew:
        await crew.until(lambda: "did not start" in crew.log())
        crew.behave("")
        crew.renew.set()
        await crew.until(lambda: "workers restarted" in crew.log())

        assert [alive(pid) for pid in crew.pids("greets", "serves")] == [False, True, True]
        assert await crew.stopped() == 0


async def test_a_worker_that_is_killed_again_and_again_before_it_serves_ends_all(
    tmp_path: Path,
) -> None:
    async with crew_in(tmp_path, "die") as crew:
        assert await crew.code() == 1

        assert len(crew.pids("started")) == LIMITS.start_deaths_max
        assert crew.log().count("SIGKILL") == LIMITS.start_deaths_max - 1


async def test_a_worker_that_does_not_serve_in_time_is_killed(tmp_path: Path) -> None:
    limits = replace(LIMITS, start_seconds=1, start_deaths_max=1)
    async with crew_in(tmp_path, "hang", limits) as crew:
        assert await crew.code() == 1


async def test_a_stop_in_the_middle_of_a_start_ends_all(tmp_path: Path) -> None:
    async with crew_in(tmp_path, "hang", replace(LIMITS, stop_seconds=0.1)) as crew:
        await crew.until(lambda: bool(crew.notes))

        assert await crew.stopped() == 1


# --- workers that die


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_worker_that_died_is_replaced(tmp_path: Path, number: signal.Signals) -> None:
    async with crew_in(tmp_path) as crew:
        first, second = await crew.until_serving(2)
        os.kill(first, number)
        third = (await crew.until_serving(3))[2]

        assert [index for _, index, pid in crew.notes if pid == third] == [0, 0]
        assert alive(second)
        assert await crew.stopped() == 0
        assert "worker died" in crew.log()
        assert number.name in crew.log()


async def test_a_worker_that_keeps_dying_is_started_ever_more_slowly(tmp_path: Path) -> None:
    limits = replace(LIMITS, wait_seconds_max=0.1)
    async with crew_in(tmp_path, limits=limits) as crew:
        first, second = await crew.until_serving(2)
        crew.behave("refuse")
        os.kill(first, signal.SIGKILL)
        await crew.until(lambda: crew.log().count("exit code 3") > LIMITS.start_deaths_max)
        crew.behave("")
        await crew.until_serving(3)

        assert alive(second)
        assert await crew.stopped() == 0
        waits = [
            float(line.split('"next_start_seconds":')[1].rstrip("}"))
            for line in crew.log().splitlines()[:5]
        ]
        for death, wait in enumerate(waits):
            longest = min(0.01 * 2**death, 0.1)
            assert longest / 2 <= wait <= longest


async def test_a_worker_that_will_not_stop_is_killed(tmp_path: Path) -> None:
    async with crew_in(tmp_path, "stick", replace(LIMITS, stop_seconds=0.1)) as crew:
        await crew.until_serving(2)

        assert await crew.stopped() == 1
        assert crew.log().count("worker killed") == 2


# --- renewal


async def test_each_worker_is_relieved_by_one_that_serves_already(tmp_path: Path) -> None:
    async with crew_in(tmp_path) as crew:
        await crew.until_serving(2)
        crew.renew.set()
        await crew.until(lambda: "workers restarted" in crew.log())

        events = [(event, index) for event, index, _ in crew.notes][4:]
        assert events == [
            *(("started", 0), ("serves", 0), ("relieved", 0)),
            *(("started", 1), ("serves", 1), ("relieved", 1)),
        ]
        first, second, third, fourth = crew.pids("greets", "serves")
        assert [alive(pid) for pid in (first, second, third, fourth)] == [False, False, True, True]
        assert await crew.stopped() == 0


async def test_a_renewal_that_cannot_start_leaves_the_old_workers(tmp_path: Path) -> None:
    async with crew_in(tmp_path) as crew:
        old = await crew.until_serving(2)
        crew.behave("refuse")
        crew.renew.set()
        await crew.until(lambda: "restart given up" in crew.log())

        assert all(map(alive, old))
        assert len(crew.pids("started")) == 3
        crew.behave("")
        crew.renew.set()
        await crew.until(lambda: "workers restarted" in crew.log())
        assert not any(map(alive, old))


async def test_a_renewed_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    async with crew_in(tmp_path) as crew:
        await crew.until_serving(2)
        crew.renew.set()
        await crew.until(lambda: "workers restarted" in crew.log())
        os.kill((await crew.until_serving(4))[2], signal.SIGKILL)

        await crew.until_serving(5)
        assert crew.notes[-1][1] == 0


async def test_a_stop_in_the_middle_of_a_renewal_ends_old_and_new(tmp_path: Path) -> None:
    async with crew_in(tmp_path, limits=replace(LIMITS, stop_seconds=0.5)) as crew:
        await crew.until_serving(2)
        crew.behave("hang")
        crew.renew.set()
        await crew.until(lambda: len(crew.pids("started")) == 3)

        assert await crew.stopped() == 1
        assert len(crew.pids("stopped")) == 2
