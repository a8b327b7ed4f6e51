"""Runs the sections asked for, prints each as a table, keeps all figures in one file."""

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp

import msgspec

from benchmarks import (
    batches,
    commits,
    counting,
    depth,
    engine,
    http,
    memory,
    phases,
    start,
    waiting,
)
from benchmarks.conditions import FULL, QUICK, Conditions, Effort
from benchmarks.figures import Figure, table
from benchmarks.machine import ROOT, Machine, cores, machine
from benchmarks.postgres import age as postgres_age
from benchmarks.postgres import batches as postgres_batches
from benchmarks.postgres import bloat as postgres_bloat
from benchmarks.postgres import costs as postgres_costs
from benchmarks.postgres import counting as postgres_counting
from benchmarks.postgres import engine as postgres_engine
from benchmarks.postgres import http as postgres_http
from benchmarks.postgres import waiting as postgres_waiting

SECTIONS: dict[str, tuple[str, Callable[[Conditions], list[Figure]]]] = {
    "http": ("HTTP, whole lives: create → claim → complete, 64 connections", http.measure),
    "batches": ("HTTP, whole lives with fewer requests", batches.measure),
    "phases": ("HTTP, one operation at a time, 64 connections", phases.measure),
    "engine": ("Engine alone: writer and store in one process", engine.measure),
    "counting": ("Engine alone, what counters and windows add", counting.measure),
    "depth": ("Claim cost by what lies in the database, against few pending", depth.measure),
    "commits": ("Durability: what an operation costs", commits.measure),
    "waiting": ("Claims that wait", waiting.measure),
    "memory": ("Memory of the server", memory.measure),
    "start": ("Start of the server", start.measure),
    "postgres-http": ("PostgreSQL, HTTP, whole lives, 64 connections", postgres_http.measure),
    "postgres-waiting": ("PostgreSQL, claims that wait", postgres_waiting.measure),
    "postgres-batches": ("PostgreSQL, whole lives with fewer requests", postgres_batches.measure),
    "postgres-engine": ("PostgreSQL, engine alone", postgres_engine.measure),
    "postgres-counting": (
        "PostgreSQL, what counters and windows add",
        postgres_counting.measure,
    ),
    "postgres-costs": ("PostgreSQL, what an operation costs", postgres_costs.measure),
    "postgres-age": ("PostgreSQL, claims by how much was done", postgres_age.measure),
    "postgres-bloat": ("PostgreSQL, a snapshot held for minutes", postgres_bloat.measure),
}
# The others are asked for by name: they take a quarter of an hour together, and bloat another.
POSTGRES_USUAL = frozenset({"postgres-waiting", "postgres-batches"})
USUAL = [name for name in SECTIONS if not name.startswith("postgres-") or name in POSTGRES_USUAL]
RESULTS = Path(__file__).parent / "results"
# Not the system's folder for temporary files: that may be in memory, where a flush is free.
WORK = ROOT / "build"


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """What one section measured."""

    name: str
    seconds: float
    figures: Sequence[Figure]


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One file of results."""

    started_at: str
    machine: Machine
    effort: Effort
    sections: Sequence[Section]


def main() -> None:
    """Measure; the exit code says only whether that was possible."""
    chosen = _arguments()
    WORK.mkdir(exist_ok=True)
    folder = Path(mkdtemp(prefix="bench-", dir=WORK))
    try:
        _measure(chosen, folder)
    finally:
        shutil.rmtree(folder)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=USUAL)
    parser.add_argument(
        "--quick", action="store_true", help="short and small, to try things; keeps no file"
    )
    return parser.parse_args()


def _measure(chosen: argparse.Namespace, folder: Path) -> None:
    effort = QUICK if chosen.quick else FULL
    started_at, facts = datetime.now(UTC), machine(folder)
    _announce(facts)
    sections = []
    for name in SECTIONS:
        if name in chosen.only:
            conditions = Conditions(effort=effort, cores=cores(), folder=folder)
            sections.append(_section(name, conditions))
    if not chosen.quick:
        run = Run(
            started_at=started_at.isoformat(timespec="seconds"),
            machine=facts,
            effort=effort,
            sections=sections,
        )
        _keep(run, started_at)


def _section(name: str, conditions: Conditions) -> Section:
    title, measure = SECTIONS[name]
    print(f"\nmeasuring {name} …", end="", file=sys.stderr, flush=True)
    started = time.monotonic()
    figures = measure(conditions)
    seconds = time.monotonic() - started
    print(f" {seconds:.0f} s", file=sys.stderr, flush=True)
    print(table(title, figures), flush=True)
    return Section(name=name, seconds=round(seconds, 1), figures=figures)


def _announce(facts: Machine) -> None:
    print(
        f"{facts.cores} cores of {facts.cpu}, {facts.memory_mib:,} MiB, {facts.system}; "
        f"{facts.file_system}, a durable write takes {facts.sync_us:.0f} µs; "
        f"load before {facts.load_before}"
    )
    versions = ", ".join(f"{name} {version}" for name, version in facts.libraries.items())
    print(f"Python {facts.python}, SQLite {facts.sqlite}, {versions}, {facts.wrk}")
    print(f"commit {facts.commit}, {facts.changed_files} files changed since")
    if facts.cores == 1:
        print("One core only: server and load generator take it from each other.")


def _keep(run: Run, started_at: datetime) -> None:
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{started_at:%Y-%m-%dT%H-%M-%S}.json"
    text = msgspec.json.format(msgspec.json.encode(_rounded(run)), indent=2)
    file.write_bytes(text + b"\n")
    print(f"\nkept as {file.relative_to(ROOT)}")


def _rounded(run: Run) -> object:
    """Add each figure's value and verdict, and leave out digits that say nothing."""
    plain = msgspec.to_builtins(run)
    for section, measured in zip(plain["sections"], run.sections, strict=True):
        for row, figure in zip(section["figures"], measured.figures, strict=True):
            row["value"] = float(f"{figure.value:.6g}")
            row["reached"] = figure.reached
            row["samples"] = [float(f"{one:.6g}") for one in figure.samples]
    return plain


if __name__ == "__main__":
    main()
