"""The database's time as one process follows it between two looks."""

import time
from collections.abc import Callable

from orchestrion.core.instants import SECOND, Instant


class DatabaseTime:
    """Seconds since the epoch by the database: its last instant and what has passed since.

    Leases never need it, for their transactions ask the database itself. Ids, windows counted in
    this process and guidance in answers do; they may be late by as long as an answer travels.
    """

    def __init__(self, now: Instant, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self.observe(now)

    def observe(self, now: Instant) -> None:
        """Take note of the database's time, just read."""
        self._behind = now / SECOND - self._monotonic()

    def __call__(self) -> float:
        """Give the present time."""
        return self._behind + self._monotonic()
