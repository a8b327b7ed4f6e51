"""What the service asks of a clock; implementations live at the edge."""

from typing import Protocol

from orchestrion.core.instants import Instant


class Clock(Protocol):
    """Time: an instant that never runs backwards, and seconds for measuring spans."""

    def now(self) -> Instant:
        """Give the present instant."""
        ...

    def monotonic(self) -> float:
        """Give seconds from an arbitrary start, for spans only."""
        ...
