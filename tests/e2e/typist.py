"""Someone who types the blocks of a page in their order, in a folder of their own."""

import json
import os
import re
import select
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import IO, Any

from tests.e2e.crew import until
from tests.e2e.pages import Block
from tests.e2e.serving import PATIENCE_SECONDS, clean_variables

BLOCK_SECONDS = 60
_PROMPT = "$ "
_WATCHING = re.compile(r"orchestrion (?:top\b|tasks (?:watch|tail))")
_LONG = re.compile(rf"python worker\.py|orchestrion worker (?:run|exec)|{_WATCHING.pattern}")
# A worker drains and ends well; whoever watches says that it was interrupted.
_ENDINGS = {signal.SIGTERM: {0}, signal.SIGINT: {0, 130}}

# Starts as told on any port, and once it serves ends it as a supervisor does.
_PROGRAM = """\
#!{python}
import os, signal, subprocess, sys
from tests.ports import free_port

command = [sys.executable, "-m", "orchestrion", *sys.argv[1:]]
if sys.argv[1:2] != ["serve"]:
    os.execv(command[0], command)
variables = dict(os.environ, ORCHESTRION_PORT=str(free_port()), ORCHESTRION_LOG_FORMAT="json")
served = subprocess.Popen(command, env=variables, stderr=subprocess.PIPE)
for line in served.stderr:
    sys.stderr.buffer.write(line)
    if b'"started"' in line:
        served.send_signal(signal.SIGTERM)
sys.exit(served.wait({patience}))
"""
# Where the package was installed before it had a plugin, pytest does not find it by itself.
_OWN_PLUGIN = (
    ()
    if any(one.name == "orchestrion" for one in entry_points(group="pytest11"))
    else ("-p", "orchestrion.testing.plugin")
)
# One interpreter for the blocks of a page that go on from each other.
_INTERPRETER = """
import json, os, sys, traceback
names = {"__name__": "__main__"}
answers = os.fdopen(int(sys.argv[1]), "w", buffering=1)
for line in sys.stdin:
    told = json.loads(line)
    said = None
    try:
        exec(compile(told["text"], told["place"], "exec"), names)
    except BaseException:
        said = traceback.format_exc()
    answers.write(json.dumps(said) + "\\n")
"""


def ready_for(process: subprocess.Popen[str], number: signal.Signals) -> bool:
    """Tell whether a process has a say by now in what a signal does to it."""
    if process.poll() is not None:
        return True
    status = Path(f"/proc/{process.pid}/status").read_text("ascii")
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


class Typist:
    """Types blocks; what was started and goes on ends with `leave`."""

    def __init__(
        self, folder: Path, variables: Mapping[str, str], programs: Sequence[Path]
    ) -> None:
        self.folder = folder
        self._scripts = folder / ".venv" / "bin"
        self._scripts.mkdir(parents=True)
        self._write(
            "orchestrion", _PROGRAM.format(python=sys.executable, patience=PATIENCE_SECONDS)
        )
        self._write("python", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        self._write("activate", "")
        path = [str(self._scripts), *map(str, programs), os.environ["PATH"]]
        root = str(Path(__file__).parents[2])
        self._variables = {
            **clean_variables(),
            **variables,
            "HOME": str(folder),
            "PATH": os.pathsep.join(path),
            "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")]),
            "PYTHONUNBUFFERED": "1",
        }
        self._going: list[tuple[str, subprocess.Popen[str]]] = []
        self._interpreter: tuple[subprocess.Popen[str], IO[str]] | None = None

    def type(self, block: Block, text: str, variables: Mapping[str, str]) -> None:
        """Type a block, as `text` has it; fails with what it said."""
        match block.tag:
            case "sh":
                self._paste(block, text, variables)
            case "console":
                self._answer_prompts(block, text, variables)
            case "sql":
                self._run(block, ["psql", "--set=ON_ERROR_STOP=1"], text, variables)
            case "python":
                self._python(block, text, variables)
            case tag:
                raise AssertionError(f"{block.place}: nobody knows how to type {tag!r}")

    def leave(self) -> None:
        """End what still runs, as Ctrl-C does; fails where something ended badly."""
        if self._interpreter is not None:
            self._interpreter[0].communicate(timeout=PATIENCE_SECONDS)
        for place, process in self._going:
            end = signal.SIGINT if _WATCHING.search(place) else signal.SIGTERM
            until(partial(ready_for, process, end))
            process.send_signal(end)
            said, _ = process.communicate(timeout=PATIENCE_SECONDS)
            assert process.returncode in _ENDINGS[end], f"{place}: {process.returncode}\n{said}"

    def abandon(self) -> None:
        """Let no process be left, whatever happened."""
        left = [process for _, process in self._going]
        if self._interpreter is not None:
            left.append(self._interpreter[0])
            self._interpreter[1].close()
        for process in left:
            if process.poll() is None:
                process.kill()
                process.communicate()

    def _paste(self, block: Block, text: str, variables: Mapping[str, str]) -> None:
        self._run(block, ["sh", "-e", "-u"], text, variables)

    def _answer_prompts(self, block: Block, text: str, variables: Mapping[str, str]) -> None:
        commands = re.sub(r"\\\n(?:> )?", "", text).splitlines()
        for line in commands:
            if line.startswith(_PROMPT):
                command = line.removeprefix(_PROMPT)
                if _LONG.search(command):
                    self._start(block, ["sh", "-c", f"exec {command}"], variables)
                else:
                    self._paste(block, command, variables)

    def _python(self, block: Block, text: str, variables: Mapping[str, str]) -> None:
        name = block.file_name or f"block_{block.line}.py"
        if "def test_" in text:
            name = name if name.startswith("test_") else f"test_{name}"
            (self.folder / name).write_text(text, "utf-8")
            command = [sys.executable, "-m", "pytest", "-q", *_OWN_PLUGIN, name]
            self._run(block, command, "", variables)
            return
        (self.folder / name).write_text(text, "utf-8")
        if "worker.run()" in text:
            self._start(block, [sys.executable, name], variables)
        elif "asyncio.run(" in text:
            self._run(block, [sys.executable, name], "", variables)
        else:
            self._tell(block, text)

    def _run(
        self, block: Block, command: Sequence[str], given: str, variables: Mapping[str, str]
    ) -> None:
        ran = subprocess.run(
            command,
            input=given,
            env={**self._variables, **variables},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=BLOCK_SECONDS,
        )
        assert ran.returncode == 0, f"{block.place} ended with {ran.returncode}:\n{ran.stdout}"

    def _start(self, block: Block, command: Sequence[str], variables: Mapping[str, str]) -> None:
        process = subprocess.Popen(
            command,
            env={**self._variables, **variables},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._going.append((f"{block.place} ({shlex.join(command)})", process))

    def _tell(self, block: Block, text: str) -> None:
        process, answers = self._interpreter or self._open_interpreter()
        assert process.stdin is not None
        process.stdin.write(json.dumps({"text": text, "place": block.place}) + "\n")
        process.stdin.flush()
        heard, _, _ = select.select([answers], [], [], BLOCK_SECONDS)
        assert heard, f"{block.place} takes longer than {BLOCK_SECONDS} s"
        said: Any = json.loads(answers.readline())
        assert said is None, f"{block.place}:\n{said}"

    def _open_interpreter(self) -> tuple[subprocess.Popen[str], IO[str]]:
        ours, theirs = os.pipe()
        process = subprocess.Popen(
            [sys.executable, "-c", _INTERPRETER, str(theirs)],
            env=self._variables,
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            pass_fds=[theirs],
        )
        os.close(theirs)
        self._interpreter = (process, os.fdopen(ours))
        return self._interpreter

    def _write(self, name: str, text: str) -> None:
        script = self._scripts / name
        script.write_text(text, "utf-8")
        script.chmod(0o755)
