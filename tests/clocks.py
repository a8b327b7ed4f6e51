"""A clock that stands still until a test moves it."""

from orchestrion.core.instants import SECOND, Instant

START = Instant(1_800_000_000_000)


class SettableClock:
    """Time under a test's control; fits `core.clock.Clock`."""

    def __init__(self, mark: Instant = START) -> None:
        self._now = max(mark, START)

    def now(self) -> Instant:
        """Give the present instant."""
        return self._now

    def monotonic(self) -> float:
        """Give the same time in seconds."""
        return self._now / SECOND

    def set(self, now: Instant) -> None:
        """Go to an instant."""
        self._now = now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now = Instant(self._now + int(seconds * SECOND))
