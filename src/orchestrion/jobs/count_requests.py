"""Tells the other processes what this one counted per key, and learns what they counted."""

from collections.abc import Iterable
from typing import Final, Protocol

from orchestrion.core.account import RequestCount
from orchestrion.core.commands import CountRequests
from orchestrion.core.faults import Fault, Unavailable, Unknown
from orchestrion.core.outcomes import Counted
from orchestrion.engine.writer import Writer

NAME: Final = "count_requests"
EVERY_SECONDS: Final = 1.0
BATCHES_MAX: Final = 100


class Counters(Protocol):
    """Whoever counts."""

    def unsaved(self) -> tuple[RequestCount, ...]:
        """Take what was counted since it was last taken, a bounded number of counters."""
        ...

    def put_back(self, counts: Iterable[RequestCount]) -> None:
        """Take back what was surely not saved."""
        ...

    def adopt(self, counts: Iterable[RequestCount]) -> None:
        """Go on from what all processes together have counted."""
        ...


async def count_requests(writer: Writer, counters: Counters) -> None:
    """Save what was counted, in bounded batches; what could not be saved is saved next time."""
    for _ in range(BATCHES_MAX):
        counts = counters.unsaved()
        if not counts:
            return
        try:
            counters.adopt(await _saved(writer, counts))
        except Unknown:
            # It may be saved already: rather forget a second's requests than count them twice.
            raise
        except Fault:
            counters.put_back(counts)
            raise


async def _saved(writer: Writer, counts: tuple[RequestCount, ...]) -> tuple[RequestCount, ...]:
    outcome = await writer.submit(CountRequests(counts=counts))
    if not isinstance(outcome, Counted):
        message = "the writer turned the counters away"
        raise Unavailable(message)
    return outcome.counts
