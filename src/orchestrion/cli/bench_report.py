"""What `orchestrion bench` found, for people and for programs."""

import platform
from datetime import UTC, datetime

import msgspec

from orchestrion import __version__
from orchestrion.cli.bench_latency import Latency
from orchestrion.cli.bench_load import Load
from orchestrion.cli.printing import Rows


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a load came to: tasks that were completed, and how long that took.

    `calls` of the client; None where the worker runtime made them.
    """

    tasks: int
    seconds: float
    calls: int | None = None
    latencies: dict[str, Latency]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The file of `--report`; latencies are in milliseconds."""

    mode: str
    url: str
    at: datetime
    version: str
    python: str
    machine: str
    load: Load
    tasks: int
    seconds: float
    tasks_per_second: float
    calls_per_second: float | None
    latencies_ms: dict[str, Latency]


def report(mode: str, url: str, load: Load, outcome: Outcome) -> Report:
    """Sum up what a load came to."""
    seconds = max(outcome.seconds, 1e-9)
    return Report(
        mode=mode,
        url=url,
        at=datetime.now(UTC).replace(microsecond=0),
        version=__version__,
        python=platform.python_version(),
        machine=platform.machine(),
        load=load,
        tasks=outcome.tasks,
        seconds=round(outcome.seconds, 6),
        tasks_per_second=round(outcome.tasks / seconds, 1),
        calls_per_second=outcome.calls and round(outcome.calls / seconds, 1),
        latencies_ms=outcome.latencies,
    )


def headline(found: Report) -> str:
    """Say the rates in one line."""
    rate = found.calls_per_second
    calls = "" if rate is None else f", {rate:,.0f} calls/s"
    return (
        f"{found.tasks_per_second:,.0f} tasks/s{calls}: "
        f"{found.tasks:,} tasks in {found.seconds:,.1f} s, {found.load.workers} at once"
    )


def latency_rows(found: Report) -> Rows:
    """Lay the latencies out."""
    return Rows(
        headings=("ms", "p50", "p95", "p99", "max", "count"),
        lines=[
            [name, *(f"{ms:.2f}" for ms in (one.p50, one.p95, one.p99, one.max)), f"{one.count:,}"]
            for name, one in found.latencies_ms.items()
        ],
    )
