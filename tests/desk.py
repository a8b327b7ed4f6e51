"""A thread with an event loop of its own, for work beside the loop that a test runs in.

Tests ask a server through it in plain calls, whatever loop they use or hold up.
"""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Final, TypeVar

PATIENCE_SECONDS: Final = 30.0

R = TypeVar("R")


class Desk:
    """Runs coroutines one by one, or beside each other, until it is closed."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="desk")
        self._thread.start()

    def do(self, work: Coroutine[object, object, R]) -> R:
        """Run a coroutine to its end, and block meanwhile."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE_SECONDS)

    def close(self) -> None:
        """End the thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE_SECONDS)
        self.loop.close()
