"""A file layer under SQLite whose writes reach the file when they are flushed, or a while later.

Whoever kills the process so cuts the power: the pages that the system would have kept are gone.
"""

import os
import threading
import time
from typing import Final

import apsw

LABEL: Final = "power-cut"
_SYSTEM: Final = "unix"
# How long the system leaves what nobody flushes in its memory.
WRITEBACK_SECONDS: Final = 0.25
_SHARED: Final = apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL


class Pages:
    """What a file reads as now, of which the disk has what was flushed last."""

    def __init__(self, path: str) -> None:
        self.lock = threading.Lock()
        self.content = bytearray()
        self._path = path
        self._dirty: list[tuple[int, int]] = []
        if os.path.exists(path):  # noqa: PTH110 - a path as SQLite names it
            with open(path, "rb") as file:  # noqa: PTH123
                self.content += file.read()

    def write(self, data: bytes, offset: int) -> None:
        """Keep a write in memory."""
        with self.lock:
            missing = offset + len(data) - len(self.content)
            if missing > 0:
                self.content += bytes(missing)
            self.content[offset : offset + len(data)] = data
            self._dirty.append((offset, len(data)))

    def read(self, amount: int, offset: int) -> bytes:
        """Give what the file reads as."""
        with self.lock:
            return bytes(self.content[offset : offset + amount])

    def truncate(self, size: int) -> None:
        """Cut the file."""
        with self.lock:
            del self.content[size:]
            self._dirty.append((size, 0))

    def flush(self) -> None:
        """Bring the disk up to date."""
        with self.lock:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                os.ftruncate(descriptor, len(self.content))
                for offset, length in self._dirty:
                    os.pwrite(descriptor, self.content[offset : offset + length], offset)
            finally:
                os.close(descriptor)
            self._dirty.clear()


class Memory(apsw.VFS):
    """The layer: one set of pages per file, whoever opened it."""

    def __init__(self) -> None:
        super().__init__(LABEL, _SYSTEM, makedefault=True)
        self._pages: dict[str, Pages] = {}
        self._lock = threading.Lock()

    def xOpen(  # noqa: N802 - SQLite's name
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> apsw.VFSFile:
        if name is None or not flags[0] & _SHARED:
            return apsw.VFSFile(_SYSTEM, name, flags)
        path = name if isinstance(name, str) else name.filename()
        with self._lock:
            pages = self._pages.setdefault(path, Pages(path))
        return MemoryFile(pages, name, flags)

    def write_back(self) -> None:
        """Bring the disk up to date now and then, as long as the process lives."""
        while True:
            time.sleep(WRITEBACK_SECONDS)
            with self._lock:
                files = list(self._pages.values())
            for pages in files:
                pages.flush()

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: FBT001, N802
        with self._lock:
            self._pages.pop(filename, None)
        super().xDelete(filename, syncdir)


class MemoryFile(apsw.VFSFile):
    """One open file: its locks are the system's, its content is not."""

    def __init__(self, pages: Pages, name: str | apsw.URIFilename, flags: list[int]) -> None:
        super().__init__(_SYSTEM, name, flags)
        self._pages = pages

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        return self._pages.read(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._pages.write(bytes(data), offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        self._pages.truncate(newsize)

    def xFileSize(self) -> int:  # noqa: N802
        return len(self._pages.content)

    def xSync(self, flags: int) -> None:  # noqa: ARG002, N802
        self._pages.flush()


_layers: list[Memory] = []


def forget_what_is_not_flushed() -> None:
    """Put the layer under every file that this process opens from now on."""
    # Referred to for as long as the process lives, as SQLite keeps no hold of it.
    layer = Memory()
    _layers.append(layer)
    threading.Thread(target=layer.write_back, name="writeback", daemon=True).start()
