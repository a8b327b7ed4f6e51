"""Tells the log of the way to the database: waited for at a start, away, back."""

import time

from orchestrion.observe.logs import Logs


class DatabaseNews:
    """One line each time it changes, however many connections notice; `logs` may be replaced."""

    def __init__(self, logs: Logs) -> None:
        self.logs = logs
        self._away_since: float | None = None

    def awaited(self, why: str, seconds: float) -> None:
        """Log that the start waits."""
        self.logs.warning("waiting for the database", message=why, up_to_seconds=seconds)

    def away(self, why: str) -> None:
        """Log that the database is away, unless that is known."""
        if self._away_since is None:
            self._away_since = time.monotonic()
            self.logs.error("database away", message=why)

    def back(self) -> None:
        """Log that it is back and for how long it was away, unless it never was."""
        if self._away_since is not None:
            seconds = round(time.monotonic() - self._away_since, 3)
            self._away_since = None
            self.logs.warning("database back", away_seconds=seconds)
