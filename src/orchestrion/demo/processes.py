"""The server and the workers as processes of their own; whoever makes them ends them."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import IO, Self

import msgspec

from orchestrion.demo.events import LINE_BYTES_MAX, Event
from orchestrion.demo.worker import KEY_VARIABLE

START_SECONDS_MAX = 20.0
STOP_SECONDS_MAX = 5.0
POLL_SECONDS = 0.02
EVENTS_WAITING_MAX = 10_000


class Broken(Exception):
    """The demonstration cannot go on; the text is one line for whoever started it."""


class Process:
    """A child of this process, with what it wrote to stderr."""

    def __init__(
        self, arguments: Sequence[str], log: Path, variables: Mapping[str, str], stdout: int
    ) -> None:
        # Settings of a server the operator runs elsewhere shall not reach ours.
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith("ORCHESTRION_")
        }
        self._log = log
        with log.open("wb") as stderr:
            # -P: what lies in the working folder is material, never code. A group of its own: a
            # Ctrl-C at the terminal reaches this process alone, which ends the others in order.
            self._child = subprocess.Popen(  # noqa: S603 - our own interpreter and modules
                [sys.executable, "-P", "-m", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env={**kept, **variables},
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(STOP_SECONDS_MAX)
        self.kill()

    @property
    def pid(self) -> int:
        """Its number in the system."""
        return self._child.pid

    @property
    def ended(self) -> bool:
        """Tell whether it has ended, for whatever reason."""
        return self._child.poll() is not None

    def kill(self) -> int:
        """End it without any warning, if it still runs; give its exit status."""
        self._child.kill()
        return self._child.wait()

    def last_words(self) -> str:
        """Give the last line it wrote to stderr."""
        lines = self._log.read_text("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "nothing"

    def _output(self) -> IO[bytes]:
        assert self._child.stdout is not None
        return self._child.stdout


class _LogLine(msgspec.Struct, frozen=True, kw_only=True):
    event: str = ""
    url: str = ""


class Server(Process):
    """`orchestrion serve` on a port that is free and a database that is new."""

    def __init__(self, folder: Path) -> None:
        database = f"sqlite:///{folder / 'demo.db'}"
        flags = ["--host=127.0.0.1", "--port=0", f"--database={database}"]
        super().__init__(
            ["orchestrion", "serve", *flags, "--log-format=json", "--log-level=info"],
            folder / "server.log",
            {},
            subprocess.DEVNULL,
        )

    def wait_for_url(self) -> str:
        """Give the server's address, which it logs once it listens."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            ended = self.ended
            for line in self._log.read_bytes().splitlines():
                with suppress(msgspec.DecodeError):
                    entry = msgspec.json.decode(line, type=_LogLine)
                    if entry.event == "started":
                        return entry.url
            if ended:
                raise Broken(f"the server ended at its start: {self.last_words()}")
            time.sleep(POLL_SECONDS)
        raise Broken(f"the server did not start within {START_SECONDS_MAX:.0f} s")


class WorkerProcess(Process):
    """A worker; what it tells goes into a queue."""

    def __init__(self, name: str, folder: Path, url: str, key: str) -> None:
        self.name = name
        self.events: Queue[Event] = Queue(EVENTS_WAITING_MAX)
        # The key goes by the environment: arguments can be seen by everybody on the machine.
        super().__init__(
            ["orchestrion.demo.worker", url, name],
            folder / f"{name}.log",
            {KEY_VARIABLE: key},
            subprocess.PIPE,
        )
        Thread(target=self._listen, name=name, daemon=True).start()

    def _listen(self) -> None:
        with self._output() as output:
            while line := output.readline(LINE_BYTES_MAX):
                self.events.put(msgspec.json.decode(line, type=Event))
