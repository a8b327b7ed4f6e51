"""The pretend PayPal's time: the machine's, and as far ahead as it is told to be."""

import time
from datetime import UTC, datetime


class Wall:
    """A clock that can be put forward."""

    def __init__(self) -> None:
        self._ahead_seconds = 0.0

    def now(self) -> float:
        """Give the seconds since 1970."""
        return time.time() + self._ahead_seconds

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._ahead_seconds += seconds


def stamp(seconds: float) -> str:
    """Write an instant as PayPal does."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
