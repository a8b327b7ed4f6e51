"""Processes end when they are told to, and leave nothing behind, whatever runs in them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

from orchestrion import Orchestrion
from orchestrion.worker.reloading import end_within
from tests.e2e.serving import Served
from tests.worker.commands import (
    PATIENCE_SECONDS,
    Program,
    is_there,
    running,
    wait_for,
    wait_until_gone,
)

HANGING = """
import asyncio, threading, time
from orchestrion import Worker

threaded, stubborn, starting = (Worker(grace=0.2) for _ in range(3))

@threaded.task("threaded")
async def in_a_thread() -> None:
    await asyncio.to_thread(time.sleep, 600)

@stubborn.task("stubborn")
async def will_not_be_cancelled() -> None:
    while True:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            continue

@starting.startup
async def hang(state) -> None:
    print("starting", flush=True)
    await asyncio.Event().wait()

@starting.task("starting")
async def never() -> None: ...
"""
TELLING = """
import os
from orchestrion import Worker

worker = Worker()

@worker.task("who")
async def who() -> dict:
    return {"process": os.getpid()}
"""
STUBBORN_SCRIPT = """
trap '' TERM
sleep 600 &
echo $$ $! > {folder}/started
mv {folder}/started {folder}/processes
wait
"""
# Its child holds on to what the script prints to.
LEAVING_SCRIPT = """
sleep 600 &
echo $! > {folder}/processes
printf '{{"done": true}}'
"""
# More than a stop takes, far less than what hangs.
END_SECONDS = 45


def test_a_stop_ends_the_process_whatever_hangs_in_it(
    client: Orchestrion, tmp_path: Path, served: Served, key: str
) -> None:
    (tmp_path / "app.py").write_text(HANGING)
    kinds = ("threaded", "stubborn", "starting")
    with ExitStack() as stack:
        programs = [
            stack.enter_context(running(["run", f"app:{kind}"], tmp_path, served, key))
            for kind in kinds
        ]
        assert programs[2].process.stdout is not None
        assert programs[2].process.stdout.readline() == "starting\n"
        tasks = [client.tasks.create(kind, {}) for kind in kinds[:2]]
        for task in tasks:
            wait_for(client, task.id, "claimed")
        for program in programs:
            program.process.send_signal(signal.SIGTERM)
        codes = [program.process.wait(END_SECONDS) for program in programs]

    assert codes == [0, 0, 0]
    after = [client.tasks.get(task.id) for task in tasks]
    assert {(task.status, task.attempt_count) for task in after} == {("pending", 0)}
    for program in programs:
        assert "something keeps the process from its end" in program.text


def test_a_second_signal_ends_the_program_of_a_task_too(
    client: Orchestrion, tmp_path: Path, served: Served, key: str
) -> None:
    task = client.tasks.create("shell", {})
    with executing(STUBBORN_SCRIPT, tmp_path, served, key) as program:
        wait_for(client, task.id, "claimed")
        started = processes(tmp_path)
        program.process.send_signal(signal.SIGTERM)
        look(lambda: "stops with 1 tasks" in program.text)
        code = program.stop()

    for each in started:
        wait_until_gone(each)
    assert code == 128 + signal.SIGTERM


def test_what_a_program_leaves_behind_does_not_hold_up_its_end(
    client: Orchestrion, tmp_path: Path, served: Served, key: str
) -> None:
    task = client.tasks.create("shell", {}, max_attempts=1)
    with executing(LEAVING_SCRIPT, tmp_path, served, key) as program:
        done = client.tasks.wait(task.id, timeout=PATIENCE_SECONDS)
        for each in processes(tmp_path):
            wait_until_gone(each)
        assert program.stop() == 0

    assert (done.status, done.result) == ("completed", {"done": True})


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL])
def test_a_worker_that_starts_again_ends_with_what_started_it(
    client: Orchestrion, tmp_path: Path, served: Served, key: str, number: int
) -> None:
    (tmp_path / "app.py").write_text(TELLING)
    with running(["run", "app:worker", "--reload"], tmp_path, served, key) as program:
        task = client.tasks.create("who", {})
        told = client.tasks.wait(task.id, timeout=PATIENCE_SECONDS)
        assert told.result is not None
        child = told.result["process"]
        try:
            code = program.stop(number)
            wait_until_gone(child)
        finally:
            if is_there(child):
                os.kill(child, signal.SIGKILL)

    assert code == (0 if number == signal.SIGHUP else -signal.SIGKILL)


def test_a_second_signal_ends_a_worker_that_starts_again(tmp_path: Path) -> None:
    """In a process of its own, for it takes over the signals."""
    script = (
        "import sys; from pathlib import Path;"
        "from orchestrion.worker.reloading import run_reloading;"
        f"sys.exit(run_reloading(['sh', '-c', {STUBBORN_SCRIPT.format(folder=tmp_path)!r}],"
        f" Path({str(tmp_path)!r}), None) + 16)"
    )
    process = subprocess.Popen([sys.executable, "-c", script])
    started = processes(tmp_path)
    process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE_SECONDS
    # One that comes before the first was taken up is the same as the first.
    while process.poll() is None:
        assert time.monotonic() < deadline
        process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
    for each in started:
        if is_there(each):
            os.kill(each, signal.SIGKILL)

    assert process.returncode == 16 - signal.SIGKILL


def test_a_worker_that_starts_again_has_all_of_its_grace() -> None:
    assert end_within(0) < end_within(1) < end_within(40) < end_within(None)


def executing(
    script: str, folder: Path, served: Served, key: str
) -> AbstractContextManager[Program]:
    """Run a script for each task of type `shell`."""
    place = folder / "work.sh"
    place.write_text(script.format(folder=folder))
    arguments = ["exec", "--type", "shell", "--grace", "60", "--", "bash", str(place)]
    return running(arguments, folder, served, key)


def processes(folder: Path) -> list[int]:
    """Wait until a script has told which processes it has started."""
    place = folder / "processes"
    look(lambda: place.exists() and place.read_text().strip())
    return [int(each) for each in place.read_text().split()]


def look(seen: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not seen():
        assert time.monotonic() < deadline
        time.sleep(0.02)
