"""Runs the program as `python -m orchestrion` does, and notes every place it speaks to.

Started by a test as a script, with the file to write into in WATCHED_FILE.
"""

import asyncio
import json
import os
import runpy
import sys
from typing import Final

import uvloop

# What leads out of a process: connections, datagrams, names looked up, other programs.
OUTWARD: Final = frozenset(
    {
        *("socket.connect", "socket.sendto", "socket.sendmsg"),
        *("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"),
        *("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "urllib.Request"),
    }
)


def main() -> None:
    """Begin to watch, then be the program."""
    notes = os.open(os.environ["WATCHED_FILE"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if event in OUTWARD:
            line = {"event": event, "told": [repr(one) for one in arguments[:2]]}
            os.write(notes, json.dumps(line).encode() + b"\n")

    sys.addaudithook(note)
    # The loop of C connects without telling the interpreter; this one is watched.
    uvloop.run = asyncio.run  # type: ignore[assignment]
    runpy.run_module("orchestrion", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
