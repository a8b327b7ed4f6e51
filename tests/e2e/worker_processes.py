"""Worker processes that a test starts, kills and asks to stop, and what their handlers noted."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from tests.e2e.serving import PATIENCE_SECONDS, PROGRAM, clean_variables

HERE: Final = Path(__file__).parent
STOP_SECONDS: Final = 30


class Run(msgspec.Struct, frozen=True):
    """One line of a handler: that it `began` or `ended`, for which attempt and where."""

    word: str
    task: str
    attempt: int
    pid: int


class Runs:
    """What handlers noted so far, in its order."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()
        self._read = 0
        self.all: list[Run] = []

    def look(self) -> Sequence[Run]:
        """Read on to the end of what is there; gives everything."""
        with self.path.open("rb") as file:
            file.seek(self._read)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._read += len(whole) + len(newline)
        for line in whole.decode().splitlines():
            word, task, attempt, pid = line.split()
            self.all.append(Run(word, task, int(attempt), int(pid)))
        return self.all

    def begun(self) -> int:
        """Count the runs that began."""
        return sum(run.word == "began" for run in self.look())

    def busy(self) -> set[int]:
        """Name the processes that are in the middle of a run."""
        ended = {(run.task, run.attempt) for run in self.look() if run.word == "ended"}
        return {run.pid for run in self.all if (run.task, run.attempt) not in ended}


class Workforce:
    """Worker processes of one account; each says what it says into a file of its own."""

    def __init__(self, url: str, key: str, folder: Path) -> None:
        self.runs = Runs(folder / "runs")
        self._folder = folder
        self._variables = {
            **clean_variables(),
            "ORCHESTRION_URL": url,
            "ORCHESTRION_API_KEY": key,
            "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path]),
            "RUNS": str(self.runs.path),
        }
        self.processes: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, program: str, *, concurrency: int = 10, grace: float = 30.0) -> int:
        """Start a worker; gives its process id."""
        variables = {"CONCURRENCY": str(concurrency), "GRACE": str(grace)}
        with (self._folder / f"{program}-{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [*PROGRAM, "worker", "run", f"{program}:worker"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**self._variables, **variables},
                cwd=self._folder,
            )
        self.processes[process.pid] = process
        return process.pid

    def kill(self, pid: int) -> None:
        """End a worker at once, as a crash does."""
        process = self.processes[pid]
        assert process.poll() is None, self.said()
        process.kill()
        process.wait(PATIENCE_SECONDS)

    def stop(self, *pids: int) -> list[int]:
        """Ask workers to stop, and wait until they did; gives their exit codes."""
        for pid in pids:
            self.processes[pid].send_signal(signal.SIGTERM)
        return [self.processes[pid].wait(STOP_SECONDS) for pid in pids]

    def running(self, pid: int) -> bool:
        """Tell whether a worker still runs."""
        return self.processes[pid].poll() is None

    def said(self) -> str:
        """Gather what the workers said, for a test that fails."""
        return "\n".join(
            f"--- {path.name}\n{path.read_text('utf-8', 'replace')[-4_000:]}"
            for path in sorted(self._folder.glob("*.log"))
        )

    def end(self) -> None:
        """Leave no process."""
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
            process.wait(PATIENCE_SECONDS)


@contextmanager
def workforce(url: str, key: str, folder: Path) -> Iterator[Workforce]:
    """Have workers until the block ends; whatever happens, no process is left."""
    force = Workforce(url, key, folder)
    try:
        yield force
    finally:
        force.end()
