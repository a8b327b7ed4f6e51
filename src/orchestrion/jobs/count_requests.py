"""Keeps what this process counted per key, so that a restart forgets a second at most."""

from collections.abc import Iterable
from typing import Final, Protocol

from orchestrion.core.account import RequestCount
from orchestrion.core.commands import CountRequests
from orchestrion.engine.writer import Writer
from orchestrion.jobs.sweep import sweep

NAME: Final = "count_requests"
EVERY_SECONDS: Final = 1.0


class Counters(Protocol):
    """Whoever counts."""

    def unsaved(self) -> tuple[RequestCount, ...]:
        """Take the counters that changed since the last call."""
        ...

    def put_back(self, counts: Iterable[RequestCount]) -> None:
        """Take note of counters that could not be saved."""
        ...


async def count_requests(writer: Writer, counters: Counters) -> None:
    """Save the counters that changed; those that could not be saved are saved next time."""
    counts = counters.unsaved()
    if not counts:
        return
    try:
        await sweep(writer, CountRequests(counts=counts))
    except BaseException:
        counters.put_back(counts)
        raise
