"""Runs wrk with one of the scripts in `load/` on a core of its own, and reads what it measured."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import msgspec

from benchmarks.machine import on_core

SCRIPTS = Path(__file__).parent / "load"
MARK = "MEASURED "


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What to send, for how long, over how many connections."""

    script: str
    port: int
    seconds: float
    connections: int = 64
    core: int
    variables: Mapping[str, str] = {}


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What wrk saw. `good` and `bad` count answers where the script looks at each one."""

    requests: int
    seconds: float
    bytes: int
    p50_ms: float
    p99_ms: float
    good: int
    bad: int
    over_399: int
    lost: int
    first_bad: str

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds

    @property
    def trouble(self) -> str:
        """Say what must not have been; empty where all went well."""
        if not (self.bad or self.over_399 or self.lost or not self.requests):
            return ""
        return (
            f"{self.bad} answers other than expected, {self.over_399} above 399, "
            f"{self.lost} lost, of {self.requests}; first: {self.first_bad or '-'}"
        )


def run(load: Load) -> Measured:
    """Send for the given time; raises RuntimeError where wrk itself fails."""
    # wrk takes whole seconds only.
    command = [
        *("wrk", "--threads", "1", "--connections", str(load.connections)),
        *("--duration", f"{max(1, round(load.seconds))}s", "--timeout", "10s"),
        *("--script", f"{load.script}.lua", f"http://127.0.0.1:{load.port}/v1/tasks"),
    ]
    with on_core(load.core):
        done = subprocess.run(
            command,
            cwd=SCRIPTS,
            env={**os.environ, **load.variables},
            capture_output=True,
            text=True,
            check=False,
        )
    for line in done.stdout.splitlines():
        if line.startswith(MARK):
            return msgspec.json.decode(line.removeprefix(MARK), type=Measured)
    raise RuntimeError(f"wrk measured nothing: {done.stderr or done.stdout}")
