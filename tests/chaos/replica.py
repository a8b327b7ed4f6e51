"""One server process under a campaign: started, killed, paused and started again on its port."""

import asyncio
import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from tests.chaos import kill_points
from tests.chaos.serving_short import CLOCK_VARIABLE, set_clock_off
from tests.chaos.wires import Middleman
from tests.e2e.serving import Launch, Served
from tests.ports import free_port

ROOT: Final = Path(__file__).parents[2]
# On a machine that is busy with much else; how soon it served is judged from the history.
START_SECONDS_MAX: Final = 120.0
LOOK_SECONDS: Final = 0.02


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """How servers of a run are started."""

    command: Sequence[str]
    variables: Mapping[str, str] = {}
    flags: Sequence[str] = ()


class Replica:
    """A server that keeps its port, its clock and its log through its deaths."""

    def __init__(self, index: int, program: Program, folder: Path) -> None:
        self.index = index
        self.port = free_port()
        self.clock = folder / f"clock-{index}"
        set_clock_off(self.clock, 0.0)
        self._fuse = folder / f"kill-at-{index}"
        kill_points.arm(self._fuse, None)
        self.database_url = ""
        self.middleman: Middleman | None = None
        # A middleman takes connections also for a server that is down: then nobody should ask it.
        self.serving = False
        self._program = program
        self._log = folder / f"server-{index}.log"
        self._served: Served | None = None

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self._served is not None and self._served.process.poll() is None

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._served is not None
        return self._served.process.pid

    async def start(self) -> int:
        """Start it and wait until it serves.

        Gives when it could begin (monotonic nanoseconds): what it waited for a processor that
        others had is the machine's time, and counts as before the start.
        """
        began = time.monotonic_ns()
        await asyncio.to_thread(self._start)
        self.serving = True
        return began + waited_for_processor(self.pid)

    async def kill(self) -> None:
        """End it at once, wherever it stands."""
        self.serving = False
        await asyncio.to_thread(self._kill)

    async def kill_at(self, point: str, seconds: float) -> bool:
        """Have it end itself at a point, or end it after so long; tells whether it came there."""
        kill_points.arm(self._fuse, point)
        until = time.monotonic() + seconds
        while self.running and time.monotonic() < until:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(LOOK_SECONDS)
        reached = not self.running
        kill_points.arm(self._fuse, None)
        await self.kill()
        return reached

    async def stop(self) -> int:
        """Ask it to stop; gives its exit code."""
        assert self._served is not None
        self.serving = False
        code = await asyncio.to_thread(self._served.stop)
        self._keep_log()
        return code

    def pause(self) -> None:
        """Take the processor from it."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def check(self) -> None:
        """See that it did not end by itself."""
        assert self._served is not None
        if not self.running:
            raise AssertionError(f"a server ended by itself:\n{self._served.log.decode()}")

    def _start(self) -> None:
        place = ("--port", str(self.port), "--database", self.database_url)
        variables = {
            **self._program.variables,
            # Servers of this checkout, whichever is installed.
            "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}",
            CLOCK_VARIABLE: str(self.clock),
            kill_points.VARIABLE: str(self._fuse),
        }
        launch = Launch(
            program=self._program.command,
            arguments=(*place, "--log-format", "json", *self._program.flags),
            variables=variables,
        )
        self._served = Served(Path(), launch=launch)
        self._wait()

    def _wait(self) -> None:
        assert self._served is not None
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                self._served.url()
            except AssertionError:
                if not self.running or time.monotonic() > deadline:
                    raise
            else:
                return

    def _kill(self) -> None:
        assert self._served is not None
        self._served.kill()
        self._keep_log()

    def _keep_log(self) -> None:
        assert self._served is not None
        whole, end, last = self._served.log.rpartition(b"\n")
        # The line in which it was killed must not become the beginning of the next server's.
        with self._log.open("ab") as file:
            file.write(whole + end + (b"" if last.startswith(b"{") else last))


def waited_for_processor(pid: int) -> int:
    """Give how long a process was ready to run and did not, in nanoseconds."""
    path = Path(f"/proc/{pid}/schedstat")
    return int(path.read_text("ascii").split()[1]) if path.exists() else 0
