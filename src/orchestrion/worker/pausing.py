"""How long to wait before the next try, longer each time, never all at once."""

import random
from typing import Final

FIRST_SECONDS: Final = 0.2
IDLE_SECONDS_MAX: Final = 5.0
# A server that restarts shall be found again soon: leases run out meanwhile.
AWAY_SECONDS_MAX: Final = 2.0


class Pauses:
    """The pauses between tries that fail, or find nothing, one after the other."""

    def __init__(self, longest: float = AWAY_SECONDS_MAX) -> None:
        self.tries = 0
        self._longest = longest

    def next(self, asked: float | None = None) -> float:
        """Give the seconds to wait now; no fewer than the server asked for."""
        grown = min(self._longest, FIRST_SECONDS * 2.0 ** min(self.tries, 10))
        self.tries += 1
        # Half of it at least, so that a failing try is no busy loop.
        return (asked or 0.0) + grown * random.uniform(0.5, 1.0)  # noqa: S311 - no secret

    def reset(self) -> None:
        """Begin with the shortest again, after a success."""
        self.tries = 0
