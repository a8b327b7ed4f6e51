"""`orchestrion worker` as a process, and conditions that tests of it wait for."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrion import Orchestrion
from tests.e2e.serving import Served, clean_variables

APP = """
import asyncio, hashlib, signal, time
from orchestrion import Context, Worker

worker = Worker(concurrency=8, grace=0.2)

@worker.task("double")
async def double(payload: dict) -> dict:
    return {"twice": 2 * payload["number"]}

@worker.task("sleep")
async def sleep(payload: dict) -> dict:
    await asyncio.sleep(60)
    return {}

@worker.task("block")
async def block(payload: dict) -> dict:
    time.sleep(60)
    return {}

@worker.task("dig")
async def dig(payload: dict) -> dict:
    # One call that lets go of the interpreter, but comes back to it only in a minute.
    hashlib.pbkdf2_hmac("sha256", b"", b"", 200_000_000)
    return {}
"""
# Processes start slowly where much else runs.
PATIENCE_SECONDS = 60


class Program:
    """A command that runs, with what it says at standard error."""

    def __init__(self, arguments: list[str], folder: Path, variables: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "orchestrion", "worker", *arguments],
            cwd=folder,
            env={**clean_variables(), **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.said.extend(iter(self.process.stderr.readline, ""))

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to stop; gives its exit code."""
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        """Wait for its end; gives its exit code."""
        code = self.process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        return code

    @property
    def text(self) -> str:
        """What it said so far."""
        return "".join(self.said)


@contextmanager
def running(arguments: list[str], folder: Path, served: Served, api_key: str) -> Iterator[Program]:
    """Run a command until the block ends; nothing of it is left."""
    variables = {"ORCHESTRION_URL": served.url(), "ORCHESTRION_API_KEY": api_key}
    program = Program(arguments, folder, variables)
    try:
        yield program
    finally:
        if program.process.poll() is None:
            program.process.kill()
        program.ended()
        assert program.process.stdout is not None
        assert program.process.stderr is not None
        program.process.stdout.close()
        program.process.stderr.close()


def wait_for(client: Orchestrion, task_id: str, status: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while client.tasks.get(task_id).status != status:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def wait_until_gone(process_id: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while is_there(process_id):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_there(process_id: int) -> bool:
    """Tell whether a process runs; one that ended and was not yet collected does not."""
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process_id}/stat")
    return not (state.exists() and " Z " in state.read_text())
