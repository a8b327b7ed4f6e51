"""Whatever a power cut leaves of unsynced writes, nothing that was acknowledged is lost.

The real engine lives on a recorded disk; images are cut from the record and opened as a server
would open them.
"""

from collections import Counter
from pathlib import Path
from random import Random

import pytest

from tests.crash.cutting import cuts, different
from tests.crash.examining import CORRUPT, LOST
from tests.crash.images import Image, Torn
from tests.crash.lives import record
from tests.crash.recording import DATABASE, WAL, Delete, Sync, Truncate, Write

IMAGES = 500
FEW_IMAGES = 60
SEED = 7


async def test_no_cut_loses_what_was_acknowledged() -> None:
    found = await cuts(IMAGES, SEED)

    assert not found.problems, found.text()
    assert found.images == IMAGES
    assert found.dropped > IMAGES, found.text()
    assert min(found.torn["file"], found.torn["-wal"]) > 0, found.text()


@pytest.mark.parametrize(
    ("synchronous", "kinds"), [("normal", {LOST}), ("off", {LOST, CORRUPT})], ids=["normal", "off"]
)
async def test_commits_that_do_not_wait_for_the_disk_are_caught(
    synchronous: str, kinds: set[str]
) -> None:
    found = await cuts(FEW_IMAGES, SEED, synchronous)

    assert found.kinds() >= kinds, found.text()


async def test_the_life_has_everything_that_a_cut_could_hurt(tmp_path: Path) -> None:
    recorded = await record(tmp_path / "life.db", Random(SEED), "full")

    events, versions = recorded.events, recorded.versions.values()
    syncs = Counter(event.file for event in events if isinstance(event, Sync))
    # The log moved into the file, begun again from its beginning, cut, and removed.
    first_cut = events.index(Truncate(WAL, 0))
    begun = [one for one in events[:first_cut] if isinstance(one, Write) and one.offset == 0]
    assert syncs[DATABASE] > 10
    assert sum(one.file == WAL for one in begun) > 3
    assert sum(isinstance(event, Delete) and event.file == WAL for event in events) > 1
    # Several callers in one commit, and tasks in every state, some deleted.
    assert 10 < syncs[WAL] < sum(map(len, versions))
    rows = [told[-1].row for told in versions]
    assert {"gone" if row is None else str(row.status) for row in rows} == {
        *("pending", "claimed", "completed", "dead_letter", "cancelled"),
        "gone",
    }


async def test_torn_writes_are_in_the_images_half_old_and_half_new(tmp_path: Path) -> None:
    recorded = await record(tmp_path / "life.db", Random(SEED), "full")

    torn = {
        one.file
        for image in different(recorded, FEW_IMAGES * 5, Random(SEED))
        for one in image.torn
        if half_there(image, one)
    }

    assert torn >= {DATABASE, WAL}


def half_there(image: Image, torn: Torn) -> bool:
    content = image.files[torn.file]
    new = [content[one.offset : one.offset + len(one.data)] == one.data for one in torn.kept]
    old = [content[one.offset : one.offset + len(one.data)] != one.data for one in torn.lost]
    return any(new) and any(old)
