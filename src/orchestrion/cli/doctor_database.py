"""The doctor's look at a database from the machine of its server; changes nothing there."""

import asyncio
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import apsw

from orchestrion.cli.doctor_finding import Finding, bad, doubtful, good
from orchestrion.core.faults import StoreRefused, Unavailable
from orchestrion.databases import operator_of
from orchestrion.store.address import DatabaseOptions, SqliteFile
from orchestrion.store.migrate import Migration
from orchestrion.store.operator import Check, Status
from orchestrion.store.sqlite.database import Place, connect
from orchestrion.store.sqlite.store import WAL_PAGES_MAX

MIB: Final = 1024 * 1024
FREE_BYTES_MIN: Final = 100 * MIB
FREE_BYTES_GOOD: Final = 1024 * MIB
# A server cuts the log above its bound, and may have to wait for readers a moment.
LOG_ROOM: Final = 1.5
# What SQLite answers where a commit waits for the disk.
_SYNCHRONOUS = {0: "off", 1: "normal", 2: "full", 3: "extra"}
_WAITS: Final = 2


def database_findings(options: DatabaseOptions) -> list[Finding]:
    """Look at schema, version, settings and space."""
    address = options.address
    # Before anything opens the file: whoever closes it last may empty its log.
    log_bytes = _log_bytes(address.path) if isinstance(address, SqliteFile) else 0
    try:
        status = asyncio.run(operator_of(options).status())
    except (StoreRefused, Unavailable) as error:
        return [bad("database", str(error), "orchestrion db status")]
    return [
        good("database", f"database {status.database}: {status.server}, {_mib(status.size_bytes)}"),
        _schema(status),
        *map(_setting, status.checks),
        *(_file(address.path, log_bytes) if isinstance(address, SqliteFile) else ()),
    ]


def _schema(status: Status) -> Finding:
    newest = max(status.applied, default=0)
    lacking = [one for one in status.outstanding if one.phase == "pre"]
    if lacking:
        return bad("schema", f"schema {newest} lacks {_names(lacking)}", "orchestrion db migrate")
    if status.outstanding:
        text = f"schema {newest} waits for {_names(status.outstanding)}"
        return doubtful("schema", text, "orchestrion db migrate --post, once no older server runs")
    return good("schema", f"schema {newest}, nothing outstanding")


def _names(migrations: Sequence[Migration]) -> str:
    return ", ".join(one.name for one in migrations)


def _setting(check: Check) -> Finding:
    said = f"{check.name} {check.value}"
    if check.advice and check.name == "schema":
        return bad("schema", f"{said}: {check.advice}", "orchestrion version")
    if check.advice:
        return doubtful(check.name, f"{said}: {check.advice}", "orchestrion db status")
    return good(check.name, f"{said} ({check.note})" if check.note else said)


def _file(path: Path, log_bytes: int) -> Iterator[Finding]:
    try:
        with closing(connect(Place(path=path))) as connection:
            synchronous, page_bytes = (
                int(str(connection.pragma(name))) for name in ("synchronous", "page_size")
            )
        yield _flushing(synchronous)
        yield _log(path, log_bytes, page_bytes)
        yield _space(path)
    except (OSError, apsw.Error) as error:
        yield bad("file", f"cannot look at {path}: {error}", f"ls -l {path}")


def _flushing(synchronous: int) -> Finding:
    text = f"synchronous {_SYNCHRONOUS.get(synchronous, str(synchronous))}"
    if synchronous < _WAITS:
        text = f"{text}: what is acknowledged may be lost"
        return bad("synchronous", text, "orchestrion version")
    return good("synchronous", text)


def _log_bytes(path: Path) -> int:
    log = path.with_name(path.name + "-wal")
    return log.stat().st_size if log.exists() else 0


def _log(path: Path, log_bytes: int, page_bytes: int) -> Finding:
    if log_bytes > LOG_ROOM * WAL_PAGES_MAX * page_bytes:
        text = f"the WAL has {_mib(log_bytes)}: something reads for long, such as a backup"
        return doubtful("wal", text, f"fuser -v {path}")
    return good("wal", f"WAL {_mib(log_bytes)}")


def _space(path: Path) -> Finding:
    free = shutil.disk_usage(path.resolve().parent).free
    text = f"{_mib(free)} free on the disk of {path}"
    if free < FREE_BYTES_MIN:
        return bad("disk", text, f"df -h {path.resolve().parent}")
    if free < max(FREE_BYTES_GOOD, path.stat().st_size):
        return doubtful("disk", text, f"df -h {path.resolve().parent}")
    return good("disk", text)


def _mib(size: int) -> str:
    return f"{size / MIB:,.1f} MiB"
