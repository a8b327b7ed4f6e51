"""Keeps what this process counted per key, so that a restart forgets a second at most."""

from collections.abc import Callable
from typing import Final

from orchestrion.core.account import RequestCount
from orchestrion.core.commands import CountRequests
from orchestrion.engine.writer import Writer

NAME: Final = "count_requests"
EVERY_SECONDS: Final = 1.0


async def count_requests(writer: Writer, unsaved: Callable[[], tuple[RequestCount, ...]]) -> None:
    """Save the counters that changed."""
    counts = unsaved()
    if counts:
        await writer.submit(CountRequests(counts=counts))
