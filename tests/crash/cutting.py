"""Records a life, cuts the power in it many times, and looks at each image."""

import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final

import msgspec

from tests.crash.examining import Examiner, Problem
from tests.crash.images import Image, cut, places
from tests.crash.lives import Recorded, record
from tests.crash.recording import DATABASE, WAL, Sync
from tests.disks import Disk

# Cuts may give an image that was there before; so often are new ones drawn in their stead.
ROUNDS_MAX: Final = 20


class Cuts(msgspec.Struct, kw_only=True):
    """What the images of one life came to."""

    seed: int
    recorded: Recorded
    images: int = 0
    problems: list[tuple[Image, Problem]] = msgspec.field(default_factory=list)
    torn: Counter[str] = msgspec.field(default_factory=Counter)
    dropped: int = 0

    def kinds(self) -> set[str]:
        """Name the kinds of problems."""
        return {problem.kind for _, problem in self.problems}

    def text(self) -> str:
        """Say in lines what was found."""
        events, told = self.recorded.events, self.recorded.versions.values()
        syncs = Counter(event.file or "file" for event in events if isinstance(event, Sync))
        life = (
            f"seed {self.seed}: {len(events)} events, syncs {dict(syncs)}, {len(told)} tasks, "
            f"{sum(map(len, told))} acknowledgements"
        )
        found = (
            f"{self.images} images: {self.dropped} writes dropped, torn {dict(self.torn)}, "
            f"{len(self.problems)} problems"
        )
        lines = [life, found]
        lines += [f"  cut at {image.at}: {one.kind}: {one.says}" for image, one in self.problems]
        return "\n".join(lines)


async def cuts(count: int, seed: int, synchronous: str = "full") -> Cuts:
    """Look at so many different images of one life."""
    random = Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        recorded = await record(Path(folder) / "life.db", random, synchronous)
        found, disk = Cuts(seed=seed, recorded=recorded), Disk()
        examiner = Examiner(Path(folder), recorded, disk)
        try:
            for image in different(recorded, count, random):
                found.images += 1
                found.dropped += image.dropped
                found.torn.update({one.file or "file" for one in image.torn})
                found.problems += [(image, one) for one in await examiner.problems(image)]
        finally:
            disk.unregister()
    return found


def different(recorded: Recorded, count: int, random: Random) -> Iterator[Image]:
    """Draw so many images of which no two are the same."""
    seen: set[bytes] = set()
    for _ in range(ROUNDS_MAX):
        for image in cut(recorded.events, places(recorded.events, count, random), random):
            digest = _digest(image)
            if digest not in seen:
                seen.add(digest)
                yield image
            if len(seen) == count:
                return


def _digest(image: Image) -> bytes:
    found = hashlib.sha256()
    for ending in (DATABASE, WAL, "-journal"):
        content = image.files.get(ending)
        found.update(b"-" if content is None else b"%d:" % len(content))
        found.update(content or b"")
    return found.digest()
