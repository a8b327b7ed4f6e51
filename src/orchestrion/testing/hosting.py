"""The real application on a thread of its own: neither a test that blocks nor its loop stops it."""

import asyncio
import logging
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final, TypeVar

from orchestrion.core.instants import Instant
from orchestrion.engine.ports import BatchRecord, RequestRecord
from orchestrion.observe.jobs import JobHistory
from orchestrion.service import Service, ServiceOptions, Surroundings
from orchestrion.store.sqlite.backend import Backend
from orchestrion.store.sqlite.database import Place
from orchestrion.testing.clock import StoppedTime

# How often it is looked whose wait is over.
TURN_SECONDS: Final = 0.02
LOG: Final = logging.getLogger("orchestrion.testing")

T = TypeVar("T")


class Stopped(Exception):
    """The service runs no more."""


class LoggingObserver:
    """Tells the test's log of what broke; fits `engine.ports.Observer`."""

    def request(self, record: RequestRecord) -> None:
        """Tell who looks closely of an answer."""
        LOG.debug("%s answered %s", record.operation, record.status)

    def batch(self, record: BatchRecord) -> None:
        """Commits are of no interest."""

    def fault(self, event: str, request_id: str, error: BaseException) -> None:
        """Tell of a fault, with its traceback."""
        LOG.error("%s %s", event, request_id, exc_info=error)

    def refused(self, reason: str) -> None:
        """Tell of load that was shed."""
        LOG.warning("refused: %s", reason)


class Hosting:
    """A service, its database and the loop it runs on."""

    def __init__(self, path: Path, stopped: StoppedTime) -> None:
        self._path = path
        self._time = stopped
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="orchestrion", daemon=True
        )
        self._backend: Backend | None = None
        self._service: Service | None = None
        self._turning: Future[None] | None = None

    @property
    def service(self) -> Service:
        """The running service; touch it by `call` only."""
        assert self._service is not None, "it runs from start to stop"
        return self._service

    def start(self) -> None:
        """Open the database and begin to serve."""
        self._thread.start()
        try:
            self.call(self._start())
        except BaseException:
            self.stop()
            raise
        self._turning = self.submit(self._turn())

    def stop(self) -> None:
        """Commit what was accepted, close the database and end the thread."""
        try:
            if self._turning is not None:
                self._turning.cancel()
            self.call(self._stop())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Have something done on the service's loop; raises Stopped once that is closed."""
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError as error:
            work.close()
            raise Stopped("the application of this test has been stopped") from error

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Have something done on the service's loop, and wait for it."""
        return self.submit(work).result()

    def catch_up(self) -> None:
        """Do all that has fallen due."""
        self.call(self._catch_up())

    async def _start(self) -> None:
        options = ServiceOptions()
        place = Place(path=self._path)
        self._backend = Backend(place, self._clock, options.catalogue)
        around = Surroundings(
            store=self._backend.store,
            reader=self._backend.reader,
            clock=self._time,
            observer=LoggingObserver(),
            jobs=JobHistory(self._time),
        )
        self._service = Service(options, around)
        await self._service.start()

    def _clock(self, _: Instant) -> StoppedTime:
        return self._time

    async def _stop(self) -> None:
        try:
            if self._service is not None:
                await self._service.stop()
        finally:
            if self._backend is not None:
                await self._backend.close()
            await _cancel_the_rest()
            await self._loop.shutdown_asyncgens()
            await self._loop.shutdown_default_executor()

    async def _turn(self) -> None:
        while True:
            self._answer()
            await asyncio.sleep(TURN_SECONDS)

    async def _catch_up(self) -> None:
        for job in self.service.runner.jobs:
            await self.service.runner.once(job)
        self._answer()

    def _answer(self) -> None:
        self.service.waiters.turn()
        self.service.watches.turn()


async def _cancel_the_rest() -> None:
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
