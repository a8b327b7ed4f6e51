"""What a worker counts; written in one thread, read by any."""

from collections import Counter
from typing import Final

import msgspec

BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900)


class Spread(msgspec.Struct):
    """How long attempts of one type took, in seconds."""

    counts: list[int] = msgspec.field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    total: float = 0.0

    def note(self, seconds: float) -> None:
        """Count one attempt."""
        at = next((i for i, bound in enumerate(BUCKETS) if seconds <= bound), len(BUCKETS))
        self.counts[at] += 1
        self.total += seconds


class Tally:
    """All counts of one worker."""

    def __init__(self) -> None:
        # By type and ending: completed, failed, released, lost, discarded.
        self.ended: Counter[tuple[str, str]] = Counter()
        self.took: dict[str, Spread] = {}
        self.claims: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.batches = 0
        self.lag_seconds = 0.0
        self.lag_seconds_max = 0.0

    def note_time(self, task_type: str, seconds: float) -> None:
        """Count how long an attempt took."""
        self.took.setdefault(task_type, Spread()).note(seconds)

    def note_lag(self, seconds: float) -> None:
        """Note how late the handlers' event loop is now."""
        self.lag_seconds = seconds
        self.lag_seconds_max = max(self.lag_seconds_max, seconds)
