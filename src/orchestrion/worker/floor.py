"""Runs the handlers, in the event loop they belong to; what it learns it tells the office."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from orchestrion.worker.attempt import Attempt, Equipment
from orchestrion.worker.reports import Released, Report
from orchestrion.worker.work import Begun, Ended, Freed, Message, Work


class Floor:
    """All attempts that run. Other threads reach it by `call_soon_threadsafe` only."""

    def __init__(self, equipment: Equipment, tell: Callable[[Message], None]) -> None:
        self._equipment = equipment
        self._tell = tell
        self._running: dict[Work, asyncio.Task[None]] = {}

    def begin(self, works: Sequence[Work], told: Callable[[], None]) -> None:
        """Start what was claimed, unless it was given back in the meantime."""
        for work in works:
            if work.take():
                self._running[work] = asyncio.create_task(
                    self._attempt(work), name=f"orchestrion {work}"
                )
        self._tell(Begun(told))

    def end(self, work: Work, why: str) -> None:
        """Stop an attempt whose result nobody wants any more."""
        work.context.end(why)
        if (running := self._running.get(work)) is not None:
            running.cancel()

    def end_all(self, why: str) -> None:
        """Stop every attempt."""
        for work in list(self._running):
            self.end(work, why)

    async def _attempt(self, work: Work) -> None:
        attempt = Attempt(work.handler, work.context, self._equipment)
        report: Report | None = None
        try:
            report = await attempt.run()
        except asyncio.CancelledError:
            if not work.context.lost:
                # Whoever did that, it says nothing about the task.
                report = Released(reason="The attempt was cancelled")
                raise
        finally:
            self._running.pop(work, None)
            self._tell(Ended(work, report))
            if attempt.thread is None or attempt.thread.done():
                self._tell(Freed(work))
            else:
                # A plain function cannot be stopped: its thread is taken until it returns.
                attempt.thread.add_done_callback(partial(self._freed, work))

    def _freed(self, work: Work, _: object) -> None:
        self._tell(Freed(work))
