"""Opening a file: what is refused, who may use it, and that one server does."""

import asyncio
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest

from orchestrion.core.faults import StoreRefused
from orchestrion.core.plans import SELF_HOSTED
from orchestrion.store.sqlite import database, filesystem
from orchestrion.store.sqlite.backend import Backend
from orchestrion.store.sqlite.database import (
    OLDEST_LIBRARY,
    Place,
    connect,
    open_reader,
    open_writer,
    refuse_old_library,
)
from tests.clocks import SettableClock

ROOT = Path(__file__).parents[3]
NO_DATABASE = b"this is no database, however long it may be" * 100
# Opens the file as a server does, says so, and waits to be killed.
HOLDER = """
import sys
from pathlib import Path
from orchestrion.core.plans import SELF_HOSTED
from orchestrion.store.sqlite.backend import Backend
from orchestrion.store.sqlite.database import Place
from tests.clocks import SettableClock

backend = Backend(Place(path=Path(sys.argv[1])), SettableClock, SELF_HOSTED)
print("open", flush=True)
sys.stdin.read()
"""
# Waits for a word, and then opens one new file after the other.
MAKER = """
import sys
from pathlib import Path
from orchestrion.store.sqlite.database import Place, open_writer

print("ready", flush=True)
sys.stdin.readline()
for number in range(10):
    open_writer(Place(path=Path(f"{sys.argv[1]}-{number}"))).close()
    print("made", flush=True)
"""
ROUNDS = 10
PATIENCE_SECONDS = 30


def opened(path: Path) -> Backend:
    return Backend(Place(path=path), SettableClock, SELF_HOSTED)


@contextmanager
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        try:
            yield process
        finally:
            process.kill()


# --- the library


@pytest.mark.parametrize("version", ["3.40.1", "3.51.2", "3.9.0", "2.99.99"])
def test_an_old_library_is_refused(version: str) -> None:
    with pytest.raises(StoreRefused, match=f"SQLite {version} is too old: 3.51.3"):
        refuse_old_library(version)


@pytest.mark.parametrize(
    "version", ["3.51.3", "3.51.10", "3.52.0", "4.0.0", apsw.sqlite_lib_version()]
)
def test_a_library_that_is_new_enough_is_accepted(version: str) -> None:
    refuse_old_library(version)


def test_the_oldest_library_is_the_first_that_resets_its_wal_safely() -> None:
    assert OLDEST_LIBRARY == (3, 51, 3)


def test_no_file_is_made_by_a_library_that_is_too_old(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "OLDEST_LIBRARY", (1_000, 0, 0))

    with pytest.raises(StoreRefused, match=r"is too old: 1000\.0\.0 or newer is needed"):
        open_writer(Place(path=path))

    assert not path.exists()


# --- the file system


def test_no_file_is_made_on_a_network_file_system(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = path.with_name("mountinfo")
    mounts.write_text(f"1 0 0:1 / {path.parent.resolve()} rw - nfs4 somewhere rw\n", "utf-8")
    monkeypatch.setattr(filesystem, "_MOUNTS", mounts)

    with pytest.raises(StoreRefused, match=r"network file system \(nfs4\)"):
        open_writer(Place(path=path))

    assert not path.exists()


# --- one server


async def test_a_second_server_is_refused_while_the_first_lives_and_not_after_it_is_killed(
    path: Path,
) -> None:
    with holder(path) as first:
        with pytest.raises(StoreRefused) as refused:
            opened(path)
        assert str(refused.value) == (
            f"another server is using {path}: one SQLite file serves one server"
        )

        first.kill()
        first.wait()

        await opened(path).close()


async def test_a_server_that_closed_lets_the_file_go(path: Path) -> None:
    await opened(path).close()

    await opened(path).close()


async def test_a_second_server_is_refused_under_another_name_of_the_file(path: Path) -> None:
    link = path.with_name("link.db")
    with holder(path):
        link.symlink_to(path)

        with pytest.raises(StoreRefused, match="another server is using"):
            opened(link)


async def test_a_file_with_a_second_name_is_refused(path: Path) -> None:
    """Locks and the log go by name: two servers on one file would not meet, and would ruin it."""
    first = opened(path)
    second = path.with_name("hard.db")
    second.hardlink_to(path)

    with pytest.raises(StoreRefused, match="several names"):
        opened(second)

    await first.close()


def test_a_server_that_could_not_start_lets_the_file_go(path: Path) -> None:
    path.write_bytes(NO_DATABASE)
    with pytest.raises(StoreRefused):
        opened(path)
    path.unlink()

    asyncio.run(opened(path).close())


def test_a_new_file_may_be_opened_by_several_at_once(path: Path) -> None:
    """A server and operators' commands, all typed for the first time."""
    command = [sys.executable, "-c", MAKER, str(path)]
    makers = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    for maker in makers:
        assert maker.stdout is not None
        assert maker.stdout.readline() == b"ready\n"

    for maker in makers:
        assert maker.stdin is not None
        maker.stdin.write(b"go\n")
        maker.stdin.flush()

    for maker in makers:
        printed, _ = maker.communicate(timeout=PATIENCE_SECONDS)
        assert printed == b"made\n" * ROUNDS


# --- what cannot be opened


def test_a_file_that_is_no_database_is_refused_and_kept(path: Path) -> None:
    path.write_bytes(NO_DATABASE)

    with pytest.raises(StoreRefused, match=f"cannot open the database {path}: "):
        opened(path)

    assert path.read_bytes() == NO_DATABASE


def test_a_folder_that_is_not_there_is_one_clear_sentence(tmp_path: Path) -> None:
    path = tmp_path / "no" / "orchestrion.db"

    with pytest.raises(StoreRefused, match=f"cannot open the database {path}: "):
        opened(path)


def test_a_folder_in_place_of_the_file_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match="cannot open the database"):
        opened(tmp_path)


# --- who may read


async def test_every_file_is_for_its_owner_alone(path: Path) -> None:
    before = os.umask(0)
    try:
        backend = opened(path)
    finally:
        os.umask(before)

    files = sorted(path.parent.iterdir())
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in files}
    await backend.close()
    assert set(modes) == {path.name + suffix for suffix in ("", "-lock", "-shm", "-wal")}
    assert set(modes.values()) == {0o600}


# --- how connections are set


async def test_writers_flush_every_commit_and_leave_checkpoints_to_the_server(path: Path) -> None:
    backend = opened(path)

    connection = connect(Place(path=path))

    full = 2
    assert connection.pragma("journal_mode") == "wal"
    assert connection.pragma("synchronous") == full
    assert connection.pragma("foreign_keys") == 1
    assert connection.pragma("wal_autocheckpoint") == 0
    assert connection.pragma("busy_timeout") >= 5_000
    assert connection.pragma("mmap_size") == 0
    connection.close()
    await backend.close()


async def test_readers_cannot_write(path: Path) -> None:
    backend = opened(path)
    reader = open_reader(Place(path=path))

    with pytest.raises(apsw.ReadOnlyError):
        reader.execute("delete from tasks")

    assert reader.pragma("wal_autocheckpoint") == 0
    reader.close()
    await backend.close()
