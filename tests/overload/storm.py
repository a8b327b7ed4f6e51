"""A crowd that comes to a real server until everything that may be shed was shed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from benchmarks.overload.clients import Manners
from benchmarks.overload.crowd import Crowd
from benchmarks.overload.records import Ask, Records, Span
from tests.e2e.serving import Served

# Well above the bounds of the door, well below the connections that are taken.
CROWD: Final = 700
FEW: Final = 4
LOOK_SECONDS: Final = 0.5
STORM_SECONDS_MAX: Final = 90
# So many lives are finished while it storms, at least.
LIVES: Final = 500
SHED: Final = (Ask.LIST, Ask.CREATE, Ask.CLAIM, Ask.GET)


class Storm(msgspec.Struct, frozen=True, kw_only=True):
    """What everybody saw, and what a few saw afterwards."""

    all: Span
    records: Records
    stayed: int
    after: Span


async def storm(manners: Manners) -> Storm:
    """Let the crowd come, and go once it has seen enough; then let a few come."""
    records, began = Records(), time.monotonic()
    crowd = Crowd(manners, records)
    await crowd.become(CROWD)
    while not _enough(records) and time.monotonic() < began + STORM_SECONDS_MAX:
        await crowd.watched(LOOK_SECONDS)
    stayed = await crowd.disband()
    few = Crowd(manners, Records())
    await few.become(FEW)
    after = await few.watched(LOOK_SECONDS)
    while not after.lives_per_second and time.monotonic() < began + STORM_SECONDS_MAX:
        after = await few.watched(LOOK_SECONDS)
    await few.disband()
    return Storm(
        all=records.span(0, CROWD, time.monotonic() - began),
        records=records,
        stayed=stayed,
        after=after,
    )


@contextmanager
def stormed(folder: Path) -> Iterator[tuple[Served, Manners]]:
    """Start a server with all its defaults, for clients who do as they are told."""
    served = Served(folder / "storm.db")
    try:
        address = urlsplit(served.url())
        assert address.port
        yield served, Manners(port=address.port, key=served.first_key(), honours=True)
    finally:
        served.stop()


def _enough(records: Records) -> bool:
    seen = records.span(0, CROWD, 1)
    return seen.lives_per_second >= LIVES and all(seen.refusals[ask.name.lower()] for ask in SHED)
