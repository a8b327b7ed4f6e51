"""A worker that serves nobody: notes each step in a file, and behaves as another file says."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

from orchestrion.supervisor.handover import Worker, this_worker

LONG_SECONDS = 60


class StandIn:
    """What it notes, and what it does at the points where a worker may go wrong."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.worker: Worker = this_worker(os.environ)
        self.behaviour = (folder / "behaviour").read_text("utf-8")

    def note(self, event: str) -> None:
        with (self.folder / "notes").open("a", encoding="utf-8") as notes:
            notes.write(f"{event} {self.worker.index} {os.getpid()}\n")

    def start(self) -> None:
        self.note("started")
        match self.behaviour:
            case "refuse":
                sys.exit(3)
            case "refuse the second" if self.worker.index == 1:
                sys.exit(4)
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "hang":
                time.sleep(LONG_SECONDS)
            case _:
                pass

    async def serve(self) -> None:
        stop, relieved = asyncio.Event(), asyncio.Event()
        with self.worker.heeding(stop, relieved):
            self.note("greets" if self.worker.greets else "serves")
            self.worker.tell_serving()
            if self.behaviour == "stick":
                time.sleep(LONG_SECONDS)  # noqa: ASYNC251 - a loop that no longer turns
            await stop.wait()
            self.note("relieved" if relieved.is_set() else "stopped")


if __name__ == "__main__":
    standin = StandIn(Path(sys.argv[1]))
    standin.start()
    asyncio.run(standin.serve())
