"""A real server in a process of its own, with all it says kept."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec

from tests.ports import free_port

PATIENCE_SECONDS = 20
STOP_SECONDS = 25
PROGRAM = (sys.executable, "-m", "orchestrion")
_KEY = re.compile(r"orch_live_[0-9a-f]{64}", re.ASCII)


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """How a process is started; without `arguments`, on the given file and any port."""

    program: Sequence[str] = PROGRAM
    arguments: Sequence[str] | None = None
    variables: Mapping[str, str] = msgspec.field(default_factory=dict)
    folder: Path | None = None


class Served:
    """A running server: where it listens, what it printed, how it ends."""

    def __init__(self, database: Path, *flags: str, launch: Launch | None = None) -> None:
        launch = launch or Launch()
        self.database = database
        self.metrics_port = free_port()
        given = (
            *("--port", "0", "--database", f"sqlite:///{database}", "--log-format", "json"),
            *("--metrics-port", str(self.metrics_port), *flags),
        )
        arguments = given if launch.arguments is None else launch.arguments
        self.process = subprocess.Popen(
            [*launch.program, "serve", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**clean_variables(), **launch.variables},
            cwd=launch.folder,
        )
        self._said = threading.Condition()
        self._stdout, self._stderr = bytearray(), bytearray()
        self._readers = [
            threading.Thread(target=self._keep, args=pair)
            for pair in (
                (self.process.stdout, self._stdout),
                (self.process.stderr, self._stderr),
            )
        ]
        for reader in self._readers:
            reader.start()

    @property
    def stdout(self) -> str:
        """What was printed so far."""
        return self._stdout.decode()

    @property
    def log(self) -> bytes:
        """What was logged so far."""
        return bytes(self._stderr)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The whole lines of the log."""
        return [json.loads(line) for line in self.log.split(b"\n")[:-1]]

    def url(self) -> str:
        """Wait until it listens; gives its address."""
        self.wait_until(lambda: any(line["event"] == "started" for line in self.lines))
        (started,) = (line for line in self.lines if line["event"] == "started")
        return str(started["url"])

    def first_key(self) -> str:
        """Wait for the key that a server on an empty database prints."""
        self.wait_until(lambda: "AGENTS.md" in self.stdout)
        found = _KEY.search(self.stdout)
        assert found
        return found[0]

    def wait_until(self, seen: Callable[[], bool]) -> None:
        """Wait until something was said."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        with self._said:
            while not seen():
                assert self.process.poll() is None, self.log.decode()
                assert self._said.wait(deadline - time.monotonic()), self.log.decode()

    def stop(self) -> int:
        """Ask it to stop, wait until it did, and give its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.ended()

    def kill(self) -> None:
        """End it at once, as a crash does."""
        self.process.kill()
        self.ended()

    def ended(self) -> int:
        """Wait until it ended and everything it said was read; gives its exit code."""
        code = self.process.wait(STOP_SECONDS)
        for reader in self._readers:
            reader.join(PATIENCE_SECONDS)
        return code

    def _keep(self, stream: IO[bytes], kept: bytearray) -> None:
        with stream:
            while piece := os.read(stream.fileno(), 1 << 16):
                with self._said:
                    kept += piece
                    self._said.notify_all()
        with self._said:
            self._said.notify_all()


@contextmanager
def serving(database: Path, *flags: str, launch: Launch | None = None) -> Iterator[Served]:
    """Serve until the block ends; whatever happens, no process is left."""
    served = Served(database, *flags, launch=launch)
    try:
        yield served
        if served.process.poll() is None:
            assert served.stop() == 0
    finally:
        if served.process.poll() is None:
            served.process.kill()
        served.process.wait(PATIENCE_SECONDS)


def clean_variables() -> dict[str, str]:
    """Give the environment without settings of whoever runs the tests."""
    return {name: value for name, value in os.environ.items() if "ORCHESTRION" not in name}
