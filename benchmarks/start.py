"""How long after the start of the process the first healthy answer comes."""

import json
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from benchmarks.conditions import Conditions
from benchmarks.figures import Figure, Target
from benchmarks.filling import many_pending
from benchmarks.machine import on_core
from benchmarks.processes import POLL_SECONDS, START_SECONDS_MAX, free_port

SECONDS_AT_MOST = 1


def measure(conditions: Conditions) -> list[Figure]:
    """Start on no file at all, then on one with many tasks."""
    effort = conditions.effort
    empty, many = [], []
    database, _ = many_pending(conditions)
    # Once for nothing: the interpreter's caches and the file's first pages.
    _start(conditions, database)
    for number in range(effort.starts):
        empty.append(_start(conditions, conditions.folder / f"start-{number}.db"))
        many.append(_start(conditions, database))
    target = Target(at_most=SECONDS_AT_MOST)
    return [
        Figure(name="healthy after, no file", unit="s", samples=empty, target=target),
        Figure(
            name=f"healthy after, {effort.many_tasks:,} tasks",
            unit="s",
            samples=many,
            target=target,
        ),
    ]


def _start(conditions: Conditions, database: Path) -> float:
    port = free_port()
    command = [
        *(sys.executable, "-m", "orchestrion", "serve", "--port", str(port)),
        *("--database", f"sqlite:///{database}"),
    ]
    with on_core(conditions.cores.server):
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not _healthy(port):
            if time.perf_counter() - started > START_SECONDS_MAX or process.poll() is not None:
                raise RuntimeError("the server never said that it is healthy")
            time.sleep(POLL_SECONDS)
        return time.perf_counter() - started
    finally:
        process.terminate()
        process.wait()


def _healthy(port: int) -> bool:
    """Ask /health, whose sweeper is healthy once it has run."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/health") as answer:
            return bool(json.load(answer)["leaseExpiryJob"]["healthy"])
    except (URLError, ConnectionError):
        return False
