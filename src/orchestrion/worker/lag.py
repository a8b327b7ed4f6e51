"""Measures how late the event loop of the handlers is, from outside of it."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from orchestrion.worker.tally import Tally

EVERY_SECONDS: Final = 1.0
WARNING_SECONDS: Final = 5.0
LOG: Final = logging.getLogger("orchestrion.worker")


class Lag:
    """Asks the loop for a sign each second, and notes how long it takes while it takes it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tally: Tally) -> None:
        self._watched = loop
        self._tally = tally

    async def run(self) -> None:
        """Measure for ever."""
        while True:
            await self._measure()
            await asyncio.sleep(EVERY_SECONDS)

    async def _measure(self) -> None:
        own = asyncio.get_running_loop()
        seen = asyncio.Event()
        asked = own.time()
        self._watched.call_soon_threadsafe(_answer, own, seen.set)
        warned = False
        while not seen.is_set():
            try:
                async with asyncio.timeout(EVERY_SECONDS):
                    await seen.wait()
            except TimeoutError:
                late = own.time() - asked
                self._tally.note_lag(late)
                if late >= WARNING_SECONDS and not warned:
                    warned = True
                    LOG.warning(
                        "the event loop has been blocked for %.0f s: leases are kept, but nothing "
                        "else moves; make what blocks a plain function, which runs in a thread",
                        late,
                    )
        self._tally.note_lag(own.time() - asked)


def _answer(loop: asyncio.AbstractEventLoop, seen: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(seen)
