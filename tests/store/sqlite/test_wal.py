"""The write-ahead log is bounded, and what keeps it from being emptied holds up nobody."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest

from orchestrion.core.listing import PageQuery
from orchestrion.core.outcomes import Changed
from orchestrion.store.sqlite import store
from orchestrion.store.sqlite.database import Place, open_reader
from orchestrion.store.sqlite.reading import SqliteReader
from tests.disks import Disk
from tests.factories import ACCOUNT_ID
from tests.store.sqlite.files import FileEngine, FileOptions, running_engine
from tests.unit import asks

CHECKPOINT_PAGES = 100
WAL_PAGES_MAX = 400
# Pages one of the commits here may add.
COMMIT_PAGES_MAX = 100
FRAME_BYTES = 4_096 + 24
# Far more than these waves take on a slow machine, far less than if each waited for a reader.
WAVES_SECONDS_MAX = 90.0
CUT_WAIT_MS = 1_500
PAYLOAD = '{"text":"' + "x" * 4_000 + '"}'


@pytest.fixture(autouse=True)
def _small_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "CHECKPOINT_PAGES", CHECKPOINT_PAGES)
    monkeypatch.setattr(store, "WAL_PAGES_MAX", WAL_PAGES_MAX)


@pytest.fixture
async def engine(path: Path) -> AsyncIterator[FileEngine]:
    disk = Disk()
    async with running_engine(path, FileOptions(vfs=disk.label)) as engine:
        yield engine
    disk.unregister()


def wal_pages(path: Path) -> int:
    return path.with_name(path.name + "-wal").stat().st_size // FRAME_BYTES


async def write(engine: FileEngine, first: int, waves: int) -> None:
    for wave in range(first, first + waves):
        creates = [asks.create(wave * 10 + n, payload=PAYLOAD) for n in range(10)]
        outcomes = await engine.together(creates)
        assert all(isinstance(outcome, Changed) for outcome in outcomes)


@contextmanager
def held_open(path: Path) -> Iterator[None]:
    """Keep a reader at one moment of the file, as a backup does."""
    reader = open_reader(Place(path=path))
    reader.execute("begin")
    reader.execute("select count(*) from tasks")
    yield
    reader.close()


async def test_steady_writing_keeps_the_log_short(engine: FileEngine, path: Path) -> None:
    longest = 0
    for wave in range(100):
        await write(engine, wave, 1)
        longest = max(longest, wal_pages(path))

    assert engine.count("pragma page_count") > 3 * CHECKPOINT_PAGES
    assert longest <= 2 * CHECKPOINT_PAGES + COMMIT_PAGES_MAX


async def test_steady_writing_beside_steady_reading_keeps_the_log_bounded(
    engine: FileEngine, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However slow this machine reads just now.
    monkeypatch.setattr(store, "CUT_WAIT_MS", 10_000)
    place = Place(path=path)
    reader = SqliteReader(place, engine.clock)
    stop = asyncio.Event()

    async def read() -> None:
        page = PageQuery(account_id=ACCOUNT_ID, limit=100)
        while not stop.is_set():
            await reader.page(page)

    reading = [asyncio.create_task(read()) for _ in range(4)]
    longest = 0
    for wave in range(100):
        await write(engine, wave, 1)
        longest = max(longest, wal_pages(path))
    stop.set()
    await asyncio.gather(*reading)
    await reader.close()

    assert longest <= WAL_PAGES_MAX + 2 * CHECKPOINT_PAGES + COMMIT_PAGES_MAX


async def test_a_reader_that_stays_holds_up_no_commit(
    engine: FileEngine, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log must grow then; were each commit to wait for the reader, this would take minutes."""
    monkeypatch.setattr(store, "CHECKPOINT_PAGES", 10 * CHECKPOINT_PAGES)
    monkeypatch.setattr(store, "CUT_WAIT_MS", CUT_WAIT_MS)
    await write(engine, 0, 5)

    with held_open(path):
        async with asyncio.timeout(WAVES_SECONDS_MAX):
            await write(engine, 5, 120)
        grown = wal_pages(path)

    assert grown > WAL_PAGES_MAX


async def test_the_log_is_cut_once_the_reader_has_left(
    engine: FileEngine, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "CUT_WAIT_MS", 10)
    await write(engine, 0, 5)
    with held_open(path):
        await write(engine, 5, 60)
    assert wal_pages(path) > WAL_PAGES_MAX

    await write(engine, 65, 15)

    assert wal_pages(path) <= 2 * CHECKPOINT_PAGES + COMMIT_PAGES_MAX
    assert engine.count("select count(*) from tasks") == 800


async def test_the_log_counts_what_operators_write(engine: FileEngine, path: Path) -> None:
    """Their connections empty nothing: the server's next commit sees how long the log became."""
    beside = apsw.Connection(str(path))
    beside.pragma("wal_autocheckpoint", 0)
    beside.execute("create table notes (text)")
    for _ in range(CHECKPOINT_PAGES):
        beside.execute("insert into notes values (zeroblob(4000))")
    before = wal_pages(path)

    await write(engine, 0, 3)

    assert before > CHECKPOINT_PAGES
    assert wal_pages(path) <= before + COMMIT_PAGES_MAX
    beside.close()


async def test_a_closed_store_leaves_no_log(path: Path) -> None:
    async with running_engine(path) as engine:
        await write(engine, 0, 3)

    assert [one.name for one in path.parent.iterdir()] == [path.name]


class Worn(apsw.VFS):
    """A disk that takes the log but not always the database, which only checkpoints write."""

    def __init__(self) -> None:
        super().__init__("worn", "")
        self.error: type[apsw.Error] | None = None
        self.refused = 0

    def xOpen(  # noqa: N802 - SQLite's name
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> apsw.VFSFile:
        if flags[0] & apsw.SQLITE_OPEN_MAIN_DB:
            return WornFile(self, name, flags)
        return apsw.VFSFile("", name, flags)


class WornFile(apsw.VFSFile):
    def __init__(self, disk: Worn, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._disk = disk

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
        if self._disk.error is not None:
            self._disk.refused += 1
            raise self._disk.error
        super().xWrite(data, offset)


@pytest.mark.parametrize("error", [apsw.FullError, apsw.IOError, apsw.PermissionsError])
async def test_a_checkpoint_that_breaks_off_costs_no_commit(
    path: Path, error: type[apsw.Error]
) -> None:
    """What was acknowledged stays in the log, and the next checkpoint moves it."""
    disk = Worn()
    async with running_engine(path, FileOptions(vfs="worn")) as engine:
        disk.error = error
        await write(engine, 0, 40)
        assert disk.refused > 0
        assert wal_pages(path) > WAL_PAGES_MAX
        disk.error = None

        await write(engine, 40, 15)

        assert wal_pages(path) <= 2 * CHECKPOINT_PAGES + COMMIT_PAGES_MAX
        assert engine.count("select count(*) from tasks") == 550
    disk.unregister()
