"""How long things took, in memory that does not grow with their number."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec

# Neighbouring durations are told apart if they differ by 1 %; the least is 1 µs, the most 1 h.
STEP: Final = math.log(1.01)
LEAST_SECONDS: Final = 1e-6
MOST_SECONDS: Final = 3_600.0
_PLACES: Final = int(math.log(MOST_SECONDS / LEAST_SECONDS) / STEP) + 2


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Durations of one kind, in milliseconds; percentiles are exact to 1 %."""

    count: int
    p50: float
    p95: float
    p99: float
    max: float


class Stopwatch:
    """Gathers durations of one kind, in seconds."""

    def __init__(self) -> None:
        self._counts = [0] * _PLACES
        self._count = 0
        self._max = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        within = min(max(seconds, LEAST_SECONDS), MOST_SECONDS)
        self._counts[round(math.log(within / LEAST_SECONDS) / STEP)] += 1
        self._count += 1
        self._max = max(self._max, seconds)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count how long the block takes, if it ends without an error."""
        began = time.perf_counter()
        yield
        self.add(time.perf_counter() - began)

    @property
    def latency(self) -> Latency:
        """Sum up what was counted so far."""
        return Latency(
            count=self._count,
            p50=self._percentile(0.50),
            p95=self._percentile(0.95),
            p99=self._percentile(0.99),
            max=round(self._max * 1_000, 3),
        )

    def _percentile(self, share: float) -> float:
        rank = math.ceil(share * self._count)
        if not rank:
            return 0.0
        seen = 0
        for place, count in enumerate(self._counts):
            seen += count
            if seen >= rank:
                seconds = LEAST_SECONDS * math.exp(place * STEP)
                return round(min(seconds, self._max) * 1_000, 3)
        return round(self._max * 1_000, 3)
