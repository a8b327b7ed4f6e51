"""Opening the file: the library's version, the file system, one server at a time, migrations."""

import fcntl
import os
import time
from pathlib import Path
from typing import Final

import apsw
import msgspec

from orchestrion.core.faults import StoreRefused
from orchestrion.store.sqlite.filesystem import refuse_network_file_system
from orchestrion.store.sqlite.migrating import KNOWN, migrate

# Older releases can corrupt a WAL that is reset while another connection writes.
OLDEST_LIBRARY: Final = (3, 51, 3)
BUSY_TIMEOUT_MS: Final = 5_000
WAL_TRIES: Final = 50
WAL_RETRY_SECONDS: Final = 0.1
CACHE_KIB: Final = 32 * 1024
READER_CACHE_KIB: Final = 8 * 1024


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where the database is; `vfs` names a SQLite file layer other than the system's."""

    path: Path
    vfs: str = ""


def refuse_old_library(version: str) -> None:
    """Raise StoreRefused for a SQLite library with known ways to lose data."""
    if tuple(int(part) for part in version.split(".")[:3]) < OLDEST_LIBRARY:
        oldest = ".".join(map(str, OLDEST_LIBRARY))
        message = f"SQLite {version} is too old: {oldest} or newer is needed"
        raise StoreRefused(message)


def lock(path: Path) -> int:
    """Keep other servers off the file while the descriptor is open; raises StoreRefused."""
    try:
        # Under the file's own name, so that a link to it is no way round.
        name = f"{path.resolve()}-lock"
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        message = f"cannot open the database {path}: {error.strerror}"
        raise StoreRefused(message) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        message = f"another server is using {path}: one SQLite file serves one server"
        raise StoreRefused(message) from error
    return descriptor


def open_writer(place: Place) -> apsw.Connection:
    """Open, create and migrate the file for writing; raises StoreRefused."""
    refuse_old_library(apsw.sqlite_lib_version())
    refuse_network_file_system(place.path)
    try:
        # Tasks can hold anything: the file is for its owner alone.
        os.close(os.open(place.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        _refuse_second_name(place.path)
        connection = connect(place)
        _keep_wal(connection)
        # Whoever else opens a new file now waits for its turn, and finds nothing left to do.
        connection.execute("begin immediate")
        migrate(connection, KNOWN)
        connection.execute("commit")
    except (OSError, apsw.Error) as error:
        message = f"cannot open the database {place.path}: {error}"
        raise StoreRefused(message) from error
    return connection


def _refuse_second_name(path: Path) -> None:
    # The lock and SQLite's log go by the file's name: under two names two servers would not meet.
    if path.stat().st_nlink > 1:
        message = f"{path} has several names (hard links): leave it only one"
        raise StoreRefused(message)


def _keep_wal(connection: apsw.Connection) -> None:
    for tries_left in reversed(range(WAL_TRIES)):
        try:
            connection.pragma("journal_mode", "wal")
        except apsw.BusyError:
            # Another program makes the same file now; for this lock SQLite does not wait itself.
            if not tries_left:
                raise
            time.sleep(WAL_RETRY_SECONDS)
        else:
            return


def connect(place: Place) -> apsw.Connection:
    """Open an existing file for short writes."""
    connection = _open(place)
    connection.pragma("synchronous", "full")
    connection.pragma("foreign_keys", "on")
    connection.pragma("cache_size", -CACHE_KIB)
    # The writer alone moves pages from the WAL into the file (`checkpoint`).
    connection.pragma("wal_autocheckpoint", 0)
    return connection


def open_reader(place: Place) -> apsw.Connection:
    """Open the file for reading only."""
    connection = _open(place)
    connection.pragma("query_only", "on")
    connection.pragma("cache_size", -READER_CACHE_KIB)
    connection.pragma("wal_autocheckpoint", 0)
    return connection


def _open(place: Place) -> apsw.Connection:
    connection = apsw.Connection(
        str(place.path), flags=apsw.SQLITE_OPEN_READWRITE, vfs=place.vfs or None
    )
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    # Otherwise each new value of a limit has its statement planned anew, to the same plan.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    return connection
