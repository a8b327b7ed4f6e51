"""The thread of the office: its own event loop, which no handler can block."""

import asyncio
import logging
import os
import sys
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import Final

from orchestrion.worker.shift import Roster, Shift

# How long the handlers' loop may take to notice that all is done, where the process shall end.
LEAVE_SECONDS: Final = 1.0
LOG: Final = logging.getLogger("orchestrion.worker")


class OfficeThread:
    """Runs one shift beside the loop of the handlers."""

    def __init__(self, roster: Roster, floor_loop: asyncio.AbstractEventLoop) -> None:
        self.shift: Shift | None = None
        # Whether to end the process where a blocked event loop would keep it from its end.
        self.leaves = False
        self._roster = roster
        self._floor_loop = floor_loop
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop_asked = False
        self._lock = threading.Lock()
        self._ended: Future[None] = Future()
        self._noticed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="orchestrion-office", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._thread.is_alive()

    async def run(self) -> None:
        """Run the shift to its end; raises what it raised. Cancelled, it stops the shift first."""
        # A running future cannot be cancelled by those who wait for it.
        self._ended.set_running_or_notify_cancel()
        self._thread.start()
        try:
            await asyncio.wrap_future(self._ended)
        except asyncio.CancelledError:
            self.stop()
            await asyncio.wrap_future(self._ended)
            raise
        finally:
            self._noticed.set()

    def stop(self) -> None:
        """Ask the shift to end; from any thread."""
        self._stop_asked = True
        if self._loop is not None and self.shift is not None:
            with suppress(RuntimeError):  # It has ended.
                self._loop.call_soon_threadsafe(self.shift.stopping.set)

    def _run(self) -> None:
        try:
            asyncio.run(self._work())
        except BaseException as error:  # noqa: BLE001 - it is raised where the end is awaited
            self._ended.set_exception(error)
        else:
            self._ended.set_result(None)
        if self.leaves and not self._noticed.wait(LEAVE_SECONDS):
            LOG.warning("the event loop is still blocked: leaving it")
            logging.shutdown()
            sys.stderr.flush()
            os._exit(0)

    async def _work(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.shift = Shift(self._roster, self._floor_loop)
        # Asked before there was anything to stop, or right now.
        if self._stop_asked:
            self.shift.stopping.set()
        await self.shift.run()
