"""How requests that several processes counted become one count per key, kind and window."""

from msgspec.structs import replace

from orchestrion.core.account import RequestCount
from orchestrion.core.instants import SECOND, Instant
from orchestrion.core.limits import WINDOW_SECONDS


def merged(kept: RequestCount | None, more: RequestCount, now: Instant) -> RequestCount | None:
    """Give what is to be kept once a process has counted `more`; `kept` itself if nothing changes.

    The window that was kept first stays, so that every process learns the same one.
    """
    if over(more.window_at, now):
        # Its hour is gone, and nobody is to pay for it in the next.
        return kept
    if kept is None or over(kept.window_at, now):
        return more
    return replace(kept, count=kept.count + more.count)


def over(window_at: Instant, now: Instant) -> bool:
    """Tell whether the hour that began then has ended."""
    return now >= window_at + WINDOW_SECONDS * SECOND
