"""A layer of files that writes down what SQLite asks of the disk, in order."""

import itertools
from pathlib import Path
from typing import Final

import apsw
import msgspec

DATABASE: Final = ""
WAL: Final = "-wal"
_ENDINGS: Final = (WAL, "-journal")
_NUMBERS: Final = itertools.count(1)


class Write(msgspec.Struct, frozen=True):
    """Bytes put into a file; files are named by what follows the name of the database."""

    file: str
    offset: int
    data: bytes


class Truncate(msgspec.Struct, frozen=True):
    """A file cut to a size."""

    file: str
    size: int


class Sync(msgspec.Struct, frozen=True):
    """A file's earlier writes are on the disk from here on.

    `folder`: so is which files there are. SQLite syncs the folder with the first sync of a log or
    journal that it has made, so that the file is found again.
    """

    file: str
    folder: bool = False


class Delete(msgspec.Struct, frozen=True):
    """A file removed; `durable` if the folder was synced with it."""

    file: str
    durable: bool


Event = Write | Truncate | Sync | Delete


class Recorder(apsw.VFS):
    """The system's files, with everything that would change them kept as events.

    Syncs are only written down: nothing here cuts the power of this machine.
    """

    def __init__(self) -> None:
        self.label = f"recorder-{next(_NUMBERS)}"
        super().__init__(self.label, "")
        self.events: list[Event] = []

    def xOpen(  # noqa: N802 - SQLite's name
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> "RecordedFile":
        return RecordedFile(self.events, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: FBT001, N802 - SQLite's name
        super().xDelete(filename, syncdir)
        self.events.append(Delete(_ending(filename), bool(syncdir)))


class RecordedFile(apsw.VFSFile):
    """One file of the recorder."""

    def __init__(
        self, events: list[Event], name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        assert name is not None, "a temporary file on disk would have to be recorded as well"
        path = name if isinstance(name, str) else name.filename()
        self._file = _ending(path)
        self._new = self._file != DATABASE and not Path(path).exists()
        self._events = events
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
        super().xWrite(data, offset)
        self._events.append(Write(self._file, offset, bytes(data)))

    def xTruncate(self, size: int) -> None:  # noqa: N802 - SQLite's name
        super().xTruncate(size)
        self._events.append(Truncate(self._file, size))

    def xSync(self, flags: int) -> None:  # noqa: ARG002, N802 - SQLite's name
        self._events.append(Sync(self._file, folder=self._new))
        self._new = False


def _ending(name: str) -> str:
    return next((ending for ending in _ENDINGS if name.endswith(ending)), DATABASE)
