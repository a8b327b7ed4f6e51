"""Instants of the database as integers of milliseconds, and what is known of its clock."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import accumulate
from typing import Final

SECOND: Final = 1_000
EARLIEST: Final = 1
LATEST: Final = 1 << 60


@lru_cache(maxsize=1 << 17)
def instant(text: str) -> int:
    """Read an RFC 3339 instant as milliseconds."""
    return round(datetime.fromisoformat(text).timestamp() * SECOND)


class DatabaseClock:
    """Bounds the database's time at a moment of the clients' clock.

    An instant that an answer shows had come when the answer did; one that the request itself set
    had not come before the request. The database's time never runs backwards: where it seems to,
    nothing is known.
    """

    def __init__(self, come: Iterable[tuple[int, int]], fresh: Iterable[tuple[int, int]]) -> None:
        """Take (returned, instant) of what had come, and (invoked, instant) of what was set."""
        past, future = sorted(come), sorted(fresh)
        self._past = [moment for moment, _ in past]
        self._low = list(accumulate((at for _, at in past), max))
        self._future = [moment for moment, _ in future]
        self._high = _least_from(
            [at for _, at in future],
        )

    def low(self, moment: int) -> int:
        """Give an instant that had surely come by then."""
        return self._bounds(moment)[0]

    def high(self, moment: int) -> int:
        """Give an instant that surely had not passed by then."""
        return self._bounds(moment)[1]

    def _bounds(self, moment: int) -> tuple[int, int]:
        place = bisect_right(self._past, moment)
        low = self._low[place - 1] if place else EARLIEST
        place = bisect_left(self._future, moment)
        high = self._high[place] if place < len(self._high) else LATEST
        return (low, high) if low <= high else (EARLIEST, LATEST)


def _least_from(instants: Sequence[int]) -> list[int]:
    return list(accumulate(reversed(instants), min))[::-1]
