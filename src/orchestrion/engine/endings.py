"""When the time of those who wait is up; many end together, so that one alarm is enough."""

import math
from collections.abc import Iterable, Iterator
from typing import Final, Generic, TypeVar

from orchestrion.core.clock import Clock

# Those whose time is up within one such span are answered together, at its end.
SPAN_SECONDS: Final = 0.1

Waits = TypeVar("Waits")


class Endings(Generic[Waits]):
    """Those who wait, by the span in which their time is up."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._spans: dict[int, set[Waits]] = {}

    def add(self, one: Waits, seconds: float) -> int:
        """Note that somebody's time is up so soon; gives the span, to leave it by."""
        span = math.ceil((self._clock.monotonic() + seconds) / SPAN_SECONDS)
        self._spans.setdefault(span, set()).add(one)
        return span

    def remove(self, one: Waits, span: int) -> None:
        """Forget somebody, who may have ended already."""
        together = self._spans.get(span)
        if together is not None:
            together.discard(one)
            if not together:
                del self._spans[span]

    def everybody(self) -> Iterator[Iterable[Waits]]:
        """Give all, whenever their time is up."""
        yield from self._spans.values()

    def take_ended(self) -> Iterator[Iterable[Waits]]:
        """Take those whose time is up."""
        present = self._clock.monotonic() / SPAN_SECONDS
        for span in [one for one in self._spans if one <= present]:
            yield self._spans.pop(span)

    def seconds_left(self) -> Iterator[float]:
        """Tell how soon each further span ends."""
        monotonic = self._clock.monotonic()
        return (span * SPAN_SECONDS - monotonic for span in self._spans)
