"""Has servers forget what has ended within seconds, for as long as a campaign wants them to."""

import mmap
import os
from pathlib import Path
from typing import Any, Final

# What a day of a plan's retention takes.
DAY_SECONDS: Final = 1.0
# Names a file of one byte: whether servers forget.
VARIABLE: Final = "CHAOS_FORGETS"


def let(path: Path, *, forget: bool) -> None:
    """Have the servers that go by this file forget, or keep everything from now on."""
    with path.open("r+b" if path.exists() else "wb") as file:
        file.write(bytes([forget]))


def establish() -> None:
    """Shorten days in this process, and have retention run as often."""
    # Only now: what they read at their import may have been changed before.
    from orchestrion.core.instants import DAY, SECOND, Instant  # noqa: PLC0415
    from orchestrion.core.plans import Catalogue  # noqa: PLC0415
    from orchestrion.jobs import purge  # noqa: PLC0415

    path = os.environ.get(VARIABLE)
    if path is None:
        return
    with Path(path).open("rb") as file:
        forgets = mmap.mmap(file.fileno(), 1, access=mmap.ACCESS_READ)
    usual = Catalogue.retention_cutoff

    def soon(catalogue: Catalogue, account: Any, now: Instant) -> Instant:  # noqa: ANN401
        if not forgets[0]:
            return Instant(0)
        days = (now - usual(catalogue, account, now)) / DAY
        return Instant(now - int(days * DAY_SECONDS * SECOND))

    # To the type checker these are no variables.
    setattr(Catalogue, "retention_cutoff", soon)  # noqa: B010
    setattr(purge, "EVERY_SECONDS", DAY_SECONDS)  # noqa: B010
