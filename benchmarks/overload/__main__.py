"""Overloads a real server, prints each figure beside its target, and keeps all in one file."""

import argparse
import asyncio
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

import msgspec
import uvloop

from benchmarks.figures import Figure, table
from benchmarks.filling import Account, new_account
from benchmarks.machine import ROOT, Machine, cores, machine
from benchmarks.overload.clients import Manners
from benchmarks.overload.course import FULL, SHORT, Course, Effort, Runner, Watch
from benchmarks.overload.judging import figures_of, missed
from benchmarks.postgres import server as postgres
from benchmarks.processes import Served, service, service_on

RESULTS: Final = ROOT / "benchmarks" / "results"
WORK: Final = ROOT / "build"


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """One file of results."""

    started_at: str
    store: str
    machine: Machine
    effort: Effort
    missed: Sequence[str]
    figures: Sequence[Figure]
    course: Course


def main() -> None:
    """Measure; the exit code says only whether that was possible."""
    chosen = _arguments()
    effort = SHORT if chosen.short else FULL
    WORK.mkdir(exist_ok=True)
    folder = Path(mkdtemp(prefix="overload-", dir=WORK))
    try:
        started_at, facts = datetime.now(UTC), machine(folder)
        course = _measured(chosen.store, folder, effort)
        figures = figures_of(course)
        print(table(f"Overload, {chosen.store}", figures))
        late = missed(figures)
        print("\n".join(f"missed: {name}" for name in late) or "every target was reached")
        kept = Kept(
            started_at=started_at.isoformat(timespec="seconds"),
            store=chosen.store,
            machine=facts,
            effort=effort,
            missed=late,
            figures=figures,
            course=course,
        )
        if not chosen.short:
            _keep(kept, started_at)
    finally:
        shutil.rmtree(folder)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overload", description=__doc__)
    parser.add_argument("--short", action="store_true", help="two minutes; keeps no file")
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    return parser.parse_args()


def _measured(store: str, folder: Path, effort: Effort) -> Course:
    serving = _on_sqlite(folder) if store == "sqlite" else _on_postgres(folder)
    with serving as (served, account), _on_other_core():
        manners = Manners(port=served.port, key=account.key, honours=True)
        watch = Watch(memory_mib=lambda: served.memory_mib("VmRSS"), cpu_seconds=served.cpu_seconds)
        return uvloop.run(Runner(manners, watch, effort).run())


@contextmanager
def _on_sqlite(folder: Path) -> Iterator[tuple[Served, Account]]:
    database = folder / "overload.db"
    account = new_account(database)
    with service(database, cores().server) as served:
        yield served, account


@contextmanager
def _on_postgres(folder: Path) -> Iterator[tuple[Served, Account]]:
    """Run on PostgreSQL, which has no core to itself."""
    with postgres.server() as database:
        url = database.url()
        account = asyncio.run(postgres.new_account(url))
        with service_on(url, folder / "overload.log", cores().server) as served:
            yield served, account


@contextmanager
def _on_other_core() -> Iterator[None]:
    """Keep this process, which is the load, off the server's core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cores().load})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _keep(kept: Kept, started_at: datetime) -> None:
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"overload-{started_at:%Y-%m-%dT%H-%M-%S}.json"
    file.write_bytes(msgspec.json.format(msgspec.json.encode(kept), indent=2) + b"\n")
    print(f"kept as {file.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
