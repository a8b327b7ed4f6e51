"""The service's time: starts no earlier than it stopped, and never runs backwards."""

import threading
import time
from collections.abc import Callable
from typing import Final

import msgspec

from orchestrion.core.instants import SECOND, Instant

# How fast time lost to a wall clock that was set back is given up: 50 ms in each second.
SLEW: Final = 0.05
# How long the monotonic clock is followed before it is compared with the wall clock again.
COMPARE_SECONDS: Final = 0.1


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
        self._course = _Course(monotonic(), max(float(mark), wall() * SECOND), 1.0)
        self._lock = threading.Lock()

    def now(self) -> Instant:
        """Give the present instant; callable from any thread."""
        monotonic = self._monotonic()
        course = self._course
        if monotonic - course.since >= COMPARE_SECONDS:
            course = self._compare()
        return course.at(monotonic)

    def monotonic(self) -> float:
        """Give seconds for measuring spans."""
        return self._monotonic()

    def _compare(self) -> "_Course":
        with self._lock:
            monotonic = self._monotonic()
            here = self._course.milliseconds + self._course.passed(monotonic)
            wall = self._wall() * SECOND
            rate = 1.0 - SLEW if here > wall else 1.0
            self._course = _Course(monotonic, max(here, wall), rate)
            return self._course


class _Course(msgspec.Struct, frozen=True):
    """How time runs from one comparison to the next: one value, so that threads see it whole."""

    since: float
    milliseconds: float
    rate: float

    def passed(self, monotonic: float) -> float:
        return max(0.0, monotonic - self.since) * SECOND * self.rate

    def at(self, monotonic: float) -> Instant:
        return Instant(int(self.milliseconds + self.passed(monotonic)))
