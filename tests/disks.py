"""The system's files, except that a test says what becomes of reads, writes and syncs."""

import asyncio
import itertools
import threading
from typing import Final

import apsw

PATIENCE_SECONDS: Final = 20.0
_NUMBERS: Final = itertools.count(1)


class Disk(apsw.VFS):
    """A layer of files for one test.

    Syncs are left out: no test here cuts the power, and a hundred thousand of them take minutes.
    """

    def __init__(self) -> None:
        self.label = f"disk-{next(_NUMBERS)}"
        super().__init__(self.label, "")
        self.full = False
        self.unreachable = False
        self.loses_commits = False
        self._held = False
        self._reached = threading.Event()
        self._released = threading.Event()

    def xOpen(  # noqa: N802 - SQLite's name
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> "OpenFile":
        return OpenFile(self, name, flags)

    def hold(self) -> None:
        """Let the next commit wait until it is released."""
        self._reached.clear()
        self._released.clear()
        self._held = True

    async def held(self) -> None:
        """Wait until a commit waits."""
        assert await asyncio.to_thread(self._reached.wait, PATIENCE_SECONDS), "no commit came"

    def release(self) -> None:
        """Let commits go on."""
        self._held = False
        self._released.set()

    def heal(self) -> None:
        """Work again."""
        self.full = self.unreachable = self.loses_commits = False
        self.release()

    def sync(self) -> None:
        """Do what the test wants instead of a sync."""
        if self._held:
            self._reached.set()
            assert self._released.wait(PATIENCE_SECONDS), "nobody released the commit"
        if self.loses_commits:
            raise apsw.IOError("the answer of the disk was lost")


class OpenFile(apsw.VFSFile):
    """One file on the disk."""

    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._disk = disk

    def xSync(self, flags: int) -> None:  # noqa: ARG002, N802 - SQLite's name
        self._disk.sync()

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
        if self._disk.full:
            raise apsw.FullError("no room on the disk")
        super().xWrite(data, offset)

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802 - SQLite's name
        if self._disk.unreachable:
            raise apsw.IOError("the disk cannot be read")
        return super().xRead(amount, offset)
