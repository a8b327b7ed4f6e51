"""What the figures depend on: machine, disk, versions, commit; and who runs on which core."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from statistics import median

import apsw
import msgspec

LIBRARIES = ("apsw", "httptools", "msgspec", "starlette", "uvicorn", "uvloop")
SYNCS = 200
PAGE_BYTES = 4_096
ROOT = Path(__file__).parent.parent


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """The facts written beside the figures."""

    cores: int
    cpu: str
    memory_mib: int
    system: str
    file_system: str
    sync_us: float
    load_before: float
    python: str
    sqlite: str
    wrk: str
    libraries: dict[str, str]
    commit: str
    changed_files: int


class Cores(msgspec.Struct, frozen=True, kw_only=True):
    """Which core measures and which is measured; the same where there is only one."""

    server: int
    load: int


def cores() -> Cores:
    """Choose two cores of those this process may use."""
    allowed = sorted(os.sched_getaffinity(0))
    return Cores(server=allowed[0], load=allowed[-1])


@contextmanager
def on_core(*cores: int) -> Iterator[None]:
    """Start processes here: they inherit the core from their first instruction on."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(cores))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def machine(folder: Path) -> Machine:
    """Gather the facts; `folder` is where the databases will be."""
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        cpu=_field("/proc/cpuinfo", "model name"),
        memory_mib=int(_field("/proc/meminfo", "MemTotal").split()[0]) // 1_024,
        system=f"{platform.system()} {platform.release()}",
        file_system=_output("stat", "--file-system", "--format=%T", str(folder)),
        sync_us=round(_sync_seconds(folder) * 1e6, 1),
        load_before=round(os.getloadavg()[0], 2),
        python=sys.version.split()[0],
        sqlite=apsw.sqlite_lib_version(),
        wrk=_output("wrk", "--version").split(" [")[0],
        libraries={name: version(name) for name in LIBRARIES},
        commit=_output("git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"),
        changed_files=len(_output("git", "-C", str(ROOT), "status", "--porcelain").splitlines()),
    )


def _field(file: str, name: str) -> str:
    for line in Path(file).read_text("utf-8").splitlines():
        if line.startswith(name):
            return line.partition(":")[2].strip()
    return "unknown"


def _output(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "unknown"
    return done.stdout.strip()


def _sync_seconds(folder: Path) -> float:
    """Measure what one durable write of a page takes here: no commit can be faster."""
    file = folder / "sync"
    descriptor = os.open(file, os.O_CREAT | os.O_RDWR)
    spans = []
    for number in range(SYNCS):
        os.pwrite(descriptor, bytes(PAGE_BYTES), number % 16 * PAGE_BYTES)
        started = time.perf_counter()
        os.fdatasync(descriptor)
        spans.append(time.perf_counter() - started)
    os.close(descriptor)
    file.unlink()
    return median(spans)
