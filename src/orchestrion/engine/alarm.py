"""One timer for many who wait, however many there are."""

import asyncio
from collections.abc import Callable
from typing import Final

# A clock that is a little behind the loop's must not make it ring again and again.
SHORTEST_SECONDS: Final = 0.001


class Alarm:
    """Rings once, as soon as anybody asked for."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._timer: asyncio.TimerHandle | None = None

    def within(self, seconds: float) -> None:
        """Ring after so long at the latest."""
        loop = asyncio.get_running_loop()
        at = loop.time() + max(seconds, SHORTEST_SECONDS)
        if self._timer is not None:
            if self._timer.when() <= at:
                return
            self._timer.cancel()
        self._timer = loop.call_at(at, self._rings)

    def cancel(self) -> None:
        """Ring no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _rings(self) -> None:
        self._timer = None
        self._ring()
