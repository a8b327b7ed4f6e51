"""How many commits and how many flushes to the disk an operation costs."""

import asyncio
from collections import Counter
from pathlib import Path

import apsw

from benchmarks.conditions import Conditions
from benchmarks.embedded import Engine, engine, in_own_process, sqlite
from benchmarks.figures import Figure
from benchmarks.filling import new_account
from orchestrion.store.sqlite.database import Place

VFS_NAME = "counting"
LIVES = 6_400
OPERATIONS_PER_LIFE = 3
CALLERS = (1, 64)


def measure(conditions: Conditions) -> list[Figure]:
    """Count in a run of its own: the counting slows every flush down."""
    counted = in_own_process([conditions.cores.server], _measure, conditions.folder)
    return [
        Figure(
            name=f"{what} per operation, {callers} caller{'s' * (callers > 1)}",
            unit="",
            samples=[count[what] / operations],
        )
        for callers, (operations, count) in counted.items()
        for what in ("commits", "fsyncs of the log", "fsyncs of the file")
    ]


class CountingFile(apsw.VFSFile):
    """A file whose flushes are counted."""

    def __init__(
        self, name: apsw.URIFilename | str | None, flags: list[int], count: Counter[str]
    ) -> None:
        super().__init__("", name, flags)
        self._count = count
        self._what = "log" if flags[0] & apsw.SQLITE_OPEN_WAL else "file"

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        self._count[f"fsyncs of the {self._what}"] += 1
        super().xSync(flags)


class CountingVfs(apsw.VFS):
    """The system's file layer, with flushes counted."""

    def __init__(self) -> None:
        super().__init__(VFS_NAME, base="")
        self.count: Counter[str] = Counter()

    def xOpen(self, name: apsw.URIFilename | str | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's name
        return CountingFile(name, flags, self.count)


async def _measure(folder: Path) -> dict[int, tuple[int, Counter[str]]]:
    vfs = CountingVfs()
    place = Place(path=folder / "commits.db", vfs=VFS_NAME)
    account = new_account(place.path)
    counted = {}
    backend = sqlite(place)
    async with engine(backend, account) as used:
        for callers in CALLERS:
            lives = LIVES if callers > 1 else LIVES // 64
            vfs.count.clear()
            before = backend.store.commits
            await asyncio.gather(*(_live(used, lives // callers) for _ in range(callers)))
            count = Counter(vfs.count)
            count["commits"] = backend.store.commits - before
            counted[callers] = (lives * OPERATIONS_PER_LIFE, count)
    return counted


async def _live(used: Engine, lives: int) -> None:
    for _ in range(lives):
        await used.live()
