"""Runs `orchestrion` with leases from one second on, by a wall clock that a campaign sets off.

Run as `python -m tests.chaos.serving_short serve …`. A launcher that changes more of the service
calls `prepare` first, imports and changes what it wants, then calls `main`, which also sets the
points at which it can be made to end itself, and how soon it forgets.
"""

import mmap
import os
import struct
import time
from pathlib import Path
from typing import Final

from orchestrion.core import limits
from tests.chaos import forgetting, kill_points

LEASE_SECONDS_MIN: Final = 1
# Names a file of eight bytes: how many seconds the wall clock is off, as a double.
CLOCK_VARIABLE: Final = "CHAOS_CLOCK"
_OFFSET: Final = struct.Struct("d")


def set_clock_off(path: Path, seconds: float) -> None:
    """Set the wall clock off for who runs by this file, at once."""
    with path.open("r+b" if path.exists() else "wb") as file:
        file.write(_OFFSET.pack(seconds))


def clock_off(path: Path) -> float:
    """Give how far it is off."""
    return float(_OFFSET.unpack(path.read_bytes())[0])


def prepare() -> None:
    """Change the bound and the clock; nothing that reads them may have been imported before."""
    limits.LEASE_SECONDS_MIN = LEASE_SECONDS_MIN
    path = os.environ.get(CLOCK_VARIABLE)
    if path is None:
        return
    with Path(path).open("rb") as file:
        offset = mmap.mmap(file.fileno(), _OFFSET.size, access=mmap.ACCESS_READ)
    true_time = time.time

    def wrong_time() -> float:
        return true_time() + float(_OFFSET.unpack_from(offset)[0])

    time.time = wrong_time


def main() -> None:
    """Run the command line; the import is late so that it meets what `prepare` changed."""
    from orchestrion.cli import main as run  # noqa: PLC0415

    kill_points.establish()
    forgetting.establish()
    run(prog_name="orchestrion")


if __name__ == "__main__":
    prepare()
    main()
