"""The two processes that are measured, each on the server's core, with what they used."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.request import urlopen

import msgspec

from benchmarks.machine import ROOT, on_core

START_SECONDS_MAX = 30
STOP_SECONDS_MAX = 30
POLL_SECONDS = 0.002
_TICKS = os.sysconf("SC_CLK_TCK")


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """A process that answers HTTP on the loopback."""

    process: subprocess.Popen[bytes]
    port: int
    metrics_port: int = 0

    def cpu_seconds(self) -> float:
        """Read what all its threads have used so far."""
        return cpu_seconds_of(self.process.pid)

    def memory_mib(self, field: str) -> float:
        """Read a size from its status: VmRSS, or VmHWM for the highest so far."""
        return memory_mib_of(self.process.pid, field)

    def metric(self, name: str) -> float:
        """Read one sample without labels off the metrics page."""
        return self._samples(f"{name} ")[0]

    def total(self, name: str) -> float:
        """Read a sample off the metrics page, summed over all its labels."""
        return sum(self._samples(f"{name}{{"))

    def _samples(self, start: str) -> list[float]:
        with urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics") as page:
            lines = page.read().decode().splitlines()
        return [float(line.rpartition(" ")[2]) for line in lines if line.startswith(start)]


def service(database: Path, core: int) -> AbstractContextManager[Served]:
    """Run the service on a file."""
    return service_on(f"sqlite:///{database}", database.with_suffix(".log"), core)


@contextmanager
def service_on(database_url: str, log_file: Path, core: int) -> Iterator[Served]:
    """Run the service as an operator would: every default, logs into a file, metrics on."""
    port, metrics_port = free_port(), free_port()
    arguments = [
        *("-m", "orchestrion", "serve", "--port", str(port)),
        *("--database", database_url),
        *("--log-format", "json", "--metrics-port", str(metrics_port)),
    ]
    with (
        log_file.open("wb") as log,
        _process(arguments, core, log.fileno()) as process,
    ):
        wait_for(port, process)
        yield Served(process=process, port=port, metrics_port=metrics_port)


@contextmanager
def floor(core: int) -> Iterator[Served]:
    """Run the floor."""
    port = free_port()
    arguments = ["-m", "benchmarks.floor", str(port)]
    with _process(arguments, core, subprocess.DEVNULL) as process:
        wait_for(port, process)
        yield Served(process=process, port=port)


def cpu_seconds_of(pid: int) -> float:
    """Read what all threads of a process have used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory_mib_of(pid: int, field: str) -> float:
    """Read a size from the status of a process."""
    for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1_024
    raise LookupError(field)


def free_port() -> int:
    """Find a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a process takes connections; raises RuntimeError if it ends or never does."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode} while starting")
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(POLL_SECONDS)
        else:
            return
    raise RuntimeError("the server did not start")


@contextmanager
def _process(arguments: Sequence[str], core: int, log: int) -> Iterator[subprocess.Popen[bytes]]:
    with on_core(core):
        process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
