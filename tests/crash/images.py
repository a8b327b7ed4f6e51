"""What a disk may hold after a power cut: what was synced, and of the rest whatever was lucky."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import Final

import msgspec

from tests.crash.recording import Delete, Event, Sync, Truncate, Write

# What a disk writes whole, of a write that the cut interrupts.
SECTORS: Final = (512, 4_096)
_CHANCES_TO_KEEP: Final = (0.0, 0.2, 0.5, 0.9, 1.0)
_CHANCES_TO_TEAR: Final = (0.0, 0.0, 0.3, 1.0)

Change = Write | Truncate | Delete


class Torn(msgspec.Struct, frozen=True):
    """A write in pieces, some of which reached the disk and some did not."""

    kept: Sequence[Write]
    lost: Sequence[Write]

    @property
    def file(self) -> str:
        """The file that it went into."""
        return self.kept[0].file


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """The files as found after a cut at a place of the log; None where there is none."""

    at: int
    files: Mapping[str, bytes]
    dropped: int
    torn: Sequence[Torn]


class _File:
    """A file: what is surely on the disk, and what came after its last sync."""

    def __init__(self) -> None:
        self.safe: bytearray | None = None
        self.later: list[Change] = []

    def sync(self) -> None:
        for change in self.later:
            self.safe = changed(self.safe, change)
        self.later.clear()

    def sync_name(self) -> None:
        """Have the file gone for good, if it was removed; what came after is another file's."""
        while any(isinstance(change, Delete) for change in self.later):
            self.safe = changed(self.safe, self.later.pop(0))


def places(events: Sequence[Event], count: int, random: Random) -> list[int]:
    """Choose so many places to cut at: before and after each sync, and any others, in order."""
    syncs = [at for at, event in enumerate(events) if isinstance(event, Sync)]
    wanted = [place for at in syncs for place in (at, at + 1)]
    if len(wanted) > count:
        return sorted(random.sample(wanted, count))
    others = random.choices(range(len(events) + 1), k=count - len(wanted))
    return sorted([*wanted, *others])


def cut(events: Sequence[Event], at: Iterable[int], random: Random) -> Iterator[Image]:
    """Give an image for each of these places, which come in order."""
    files: dict[str, _File] = {}
    done = 0
    for place in at:
        for event in events[done:place]:
            _happen(files, event)
        done = place
        yield _image(files, place, random)


def changed(content: bytearray | None, change: Change) -> bytearray | None:
    """Carry a change out."""
    if isinstance(change, Delete):
        return None
    content = bytearray() if content is None else content
    end = change.size if isinstance(change, Truncate) else change.offset + len(change.data)
    if isinstance(change, Truncate):
        del content[end:]
    content.extend(bytes(max(0, end - len(content))))
    if isinstance(change, Write):
        content[change.offset : end] = change.data
    return content


def _happen(files: dict[str, _File], event: Event) -> None:
    file = files.setdefault(event.file, _File())
    if isinstance(event, Sync):
        file.sync()
    else:
        file.later.append(event)
    if (isinstance(event, Sync) and event.folder) or (isinstance(event, Delete) and event.durable):
        for one in files.values():
            one.sync_name()


def _image(files: Mapping[str, _File], place: int, random: Random) -> Image:
    luck = _Luck(random)
    found = {name: luck.of(file) for name, file in files.items()}
    kept = {name: bytes(content) for name, content in found.items() if content is not None}
    return Image(at=place, files=kept, dropped=luck.dropped, torn=luck.torn)


class _Luck:
    """Decides for one cut which of the later changes reached the disk."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._keep = random.choice(_CHANCES_TO_KEEP)
        self._tear = random.choice(_CHANCES_TO_TEAR)
        self.dropped = 0
        self.torn: list[Torn] = []

    def of(self, file: _File) -> bytearray | None:
        content = None if file.safe is None else bytearray(file.safe)
        for change in file.later:
            if self._random.random() < self._keep:
                content = changed(content, change)
                continue
            torn = self._torn(change)
            if torn is not None:
                for piece in torn.kept:
                    content = changed(content, piece)
                continue
            self.dropped += 1
            if isinstance(change, Delete):
                # What comes after goes into another file, which has no name yet.
                break
        return content

    def _torn(self, change: Change) -> Torn | None:
        if not isinstance(change, Write) or self._random.random() >= self._tear:
            return None
        torn = _tear(change, self._random)
        if not (torn.kept and torn.lost):
            return None
        self.torn.append(torn)
        return torn


def _tear(write: Write, random: Random) -> Torn:
    sector = random.choice(SECTORS)
    end = write.offset + len(write.data)
    borders = [write.offset, *range((write.offset // sector + 1) * sector, end, sector), end]
    kept: list[Write] = []
    lost: list[Write] = []
    for start, stop in itertools.pairwise(borders):
        data = write.data[start - write.offset : stop - write.offset]
        pieces = kept if random.random() < 1 / 2 else lost
        pieces.append(Write(write.file, start, data))
    return Torn(kept, lost)
