"""The thread of the office: its own event loop, which no handler can block."""

import asyncio
import threading
import time
from concurrent.futures import Future
from contextlib import suppress

from orchestrion.worker.shift import Roster, Shift
from orchestrion.worker.watchdog import Progress


class OfficeThread:
    """Runs one shift beside the loop of the handlers."""

    def __init__(
        self, roster: Roster, floor_loop: asyncio.AbstractEventLoop, progress: Progress
    ) -> None:
        self.shift: Shift | None = None
        self._progress = progress
        self._roster = roster
        self._floor_loop = floor_loop
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop_asked = False
        self._lock = threading.Lock()
        self._ended: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="orchestrion-office", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._thread.is_alive()

    async def run(self) -> None:
        """Run the shift to its end; raises what it raised. Cancelled, it stops the shift first."""
        # A running future cannot be cancelled by those who wait for it.
        self._ended.set_running_or_notify_cancel()
        self._progress.began = True
        self._thread.start()
        try:
            await asyncio.wrap_future(self._ended)
        except asyncio.CancelledError:
            self.stop()
            await asyncio.wrap_future(self._ended)
            raise
        finally:
            self._progress.noticed = True

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
        self._progress.ended_at = time.monotonic()

    async def _work(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.shift = Shift(self._roster, self._floor_loop)
        # Asked before there was anything to stop, or right now.
        if self._stop_asked:
            self.shift.stopping.set()
        await self.shift.run()
