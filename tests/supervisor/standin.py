"""A worker that serves nobody: notes each step in a file, and behaves as the file's words say."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

from orchestrion.supervisor.handover import Worker, this_worker


async def main(folder: Path) -> int:
    worker = this_worker(os.environ)
    behaviour = (folder / "behaviour").read_text()

    def note(event: str) -> None:
        with (folder / "notes").open("a") as notes:
            notes.write(f"{event} {worker.index} {os.getpid()}\n")

    note("start")
    match behaviour:
        case "refuse":
            return 3
        case "refuse second" if worker.index == 1:
            return 4
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "hang":
            time.sleep(60)
    await serve(worker, behaviour, note)
    return 0


async def serve(worker: Worker, behaviour: str, note) -> None:
    stop, relieved = asyncio.Event(), asyncio.Event()
    with worker.heeding(stop, relieved):
        note("greet" if worker.greets else "serve")
        worker.tell_serving()
        if behaviour == "stick":
            time.sleep(60)
        await stop.wait()
        note("relieved" if relieved.is_set() else "stop")
        if behaviour == "drain" and not relieved.is_set():
            await asyncio.sleep(60)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(Path(sys.argv[1]))))
