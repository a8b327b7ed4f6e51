"""The service's time: starts no earlier than it stopped, and never runs backwards."""

import threading
import time
from collections.abc import Callable
from typing import Final

from orchestrion.core.instants import SECOND, Instant

# How fast time lost to a wall clock that was set back is given up: 50 ms in each second.
SLEW: Final = 0.05


class SteadyClock:
    """Follows the wall clock forwards, and the monotonic clock where the wall runs backwards.

    `mark` is the latest instant a former run is known to have used. Time that is ahead of the
    wall goes on a little slower until the wall has caught up, so leases still run out.
    """

    def __init__(
        self,
        mark: Instant,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._last_monotonic = monotonic()
        self._milliseconds = max(float(mark), wall() * SECOND)
        self._lock = threading.Lock()

    def now(self) -> Instant:
        """Give the present instant; callable from any thread."""
        with self._lock:
            monotonic = self._monotonic()
            passed = (monotonic - self._last_monotonic) * SECOND
            self._last_monotonic = monotonic
            ahead = self._milliseconds + passed - self._wall() * SECOND
            self._milliseconds += passed - min(ahead, passed * SLEW)
            return Instant(int(self._milliseconds))

    def monotonic(self) -> float:
        """Give seconds for measuring spans."""
        return self._monotonic()
