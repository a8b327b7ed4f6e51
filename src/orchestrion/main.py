"""The composition root: from settings to a running server."""

import asyncio
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from typing import Final

import msgspec

from orchestrion import __version__
from orchestrion.api.serving.gate import BodyFactory, ProtocolHooks
from orchestrion.api.serving.listener import CannotListen
from orchestrion.api.serving.server import ServerLifecycle, ServerOptions, serve_http
from orchestrion.api.serving.stopping import stop_on_hangup, stop_on_signals
from orchestrion.core.errors import ErrorCode
from orchestrion.core.faults import Fault, StoreRefused
from orchestrion.core.instants import Instant
from orchestrion.core.outcomes import Rejection, Situation
from orchestrion.core.plans import Catalogue
from orchestrion.databases import Backend, open_backend, operator_of
from orchestrion.engine.clock import SteadyClock
from orchestrion.engine.interpreter import settle
from orchestrion.jobs.runner import Job, Runner
from orchestrion.observe.capture import captured
from orchestrion.observe.jobs import JobHistory
from orchestrion.observe.logs import LogOptions, Logs
from orchestrion.observe.metrics import Metrics
from orchestrion.observe.metrics_server import MetricsServer
from orchestrion.observe.news import DatabaseNews
from orchestrion.observe.observer import ProcessObserver
from orchestrion.selling import Open, open_payments
from orchestrion.service import Service, ServiceOptions, Surroundings
from orchestrion.settings import Settings
from orchestrion.settings.values import loopback
from orchestrion.supervisor.handover import Worker

COUNT_TASKS: Final = "count_tasks"
COUNT_TASKS_EVERY_SECONDS: Final = 15.0
WATCH_DATABASE: Final = "watch_database"
WATCH_DATABASE_EVERY_SECONDS: Final = 15.0


async def serve(settings: Settings, worker: Worker) -> None:
    """Serve until asked to stop, then finish what was accepted.

    Raises StoreRefused or CannotListen, whose text is one line for the operator.
    """
    catalogue = settings.catalogue
    relieved = asyncio.Event()
    with stop_on_signals() as stop, worker.heeding(stop, relieved), _hangup_of(worker, stop):
        with _own_logs(settings, worker) as logs:
            news = DatabaseNews(logs)
            opening = open_backend(settings.database_options, catalogue, news)
            backend = await _unless_stopped(stop, opening)
        if backend is None:
            return
        try:
            with Logs(_log_options(settings, worker), backend.clock) as logs, captured(logs):
                news.logs = logs
                watching = _watching(backend, logs)
                payments = open_payments(
                    settings.taker, backend.clock, watching.observer.payment_call
                )
                async with payments as selling:
                    around = _Around(
                        backend=backend, watching=watching, worker=worker, selling=selling
                    )
                    await _Process(settings, catalogue, around).run(stop, relieved)
        finally:
            await backend.close()


def log_refusal(settings: Settings, worker: Worker, error: Exception) -> None:
    """Say in the log, where others serve already, what keeps this worker from it."""
    with _own_logs(settings, worker) as logs:
        logs.error("worker cannot serve", message=str(error))


def _own_logs(settings: Settings, worker: Worker) -> Logs:
    """Log by the machine's clock, as there is no database's yet."""
    return Logs(_log_options(settings, worker), SteadyClock(Instant(0)))


def _log_options(settings: Settings, worker: Worker) -> LogOptions:
    return LogOptions(level=settings.log_level, format=settings.log_format, worker=worker.index)


def _hangup_of(worker: Worker, stop: asyncio.Event) -> AbstractContextManager[None]:
    """Heed SIGHUP where there is no supervisor, to whom it means something else."""
    return stop_on_hangup(stop) if worker.index is None else nullcontext()


class _Watching(msgspec.Struct, frozen=True, kw_only=True):
    """Who is told what happens."""

    logs: Logs
    jobs: JobHistory
    metrics: Metrics
    observer: ProcessObserver


def _watching(backend: Backend, logs: Logs) -> _Watching:
    jobs = JobHistory(backend.clock)
    metrics = Metrics(jobs, lambda: logs.dropped)
    return _Watching(logs=logs, jobs=jobs, metrics=metrics, observer=ProcessObserver(logs, metrics))


class _Around(msgspec.Struct, frozen=True, kw_only=True):
    """What a process has before it has a service."""

    backend: Backend
    watching: _Watching
    worker: Worker
    selling: Open


class _Process:
    """One server: the service and what is around it."""

    def __init__(self, settings: Settings, catalogue: Catalogue, around: _Around) -> None:
        backend, watching = around.backend, around.watching
        self._settings = settings
        self._backend = backend
        self._logs, self._jobs = watching.logs, watching.jobs
        self._metrics, self._observer = watching.metrics, watching.observer
        self._worker = around.worker
        self._pretend_url = around.selling.pretend_url
        self._service = Service(
            ServiceOptions(
                catalogue=catalogue,
                registration=settings.registration,
                public_url=settings.public_url,
                trusted_proxies=settings.trusted_proxies,
                cors_origins=settings.cors_origins,
                artifact_base_url=settings.artifact_base_url,
                landing_url=settings.landing_url,
                payment_events=around.selling.events,
            ),
            Surroundings(
                store=backend.store,
                reader=backend.reader,
                clock=backend.clock,
                observer=self._observer,
                jobs=self._jobs,
                wakeups=backend.wakeups,
                payments=around.selling.payments,
            ),
        )
        self._metrics.watch_queue(lambda: self._service.writer.depth)
        self._metrics.watch_waiting(lambda: self._service.waiters.room.taken)
        self._welcoming: asyncio.Task[None] | None = None

    async def run(self, stop: asyncio.Event, relieved: asyncio.Event) -> None:
        """Serve until `stop` is set; with `relieved` others go on at the same port."""
        settle()
        # A writer that ends by itself is a bug: stop, so that a supervisor starts anew.
        await self._service.start(on_broken=stop.set)
        try:
            async with self._metrics_served(), _running(self._service.runner):
                lifecycle = ServerLifecycle(
                    stop=stop,
                    on_started=self._started,
                    on_stopping=lambda: self._stopping(relieved),
                    relieved=relieved,
                )
                await serve_http(self._service.app, self._server_options(), lifecycle)
        finally:
            if self._welcoming is not None:
                await self._welcoming
            await self._service.stop()
        self._logs.info("stopped")

    def _started(self, host: str, port: int) -> None:
        url = f"http://{_bracketed(host)}:{port}"
        self._logs.info("started", url=url, version=__version__)
        for warning in self._backend.warnings:
            self._logs.warning("database_at_risk", message=warning)
        if self._pretend_url:
            self._logs.warning("payments_are_pretended", url=self._pretend_url)
            sys.stdout.write(PRETENDED.format(url=self._pretend_url))
            sys.stdout.flush()
        self._worker.tell_serving()
        if self._worker.greets and loopback(host):
            self._welcoming = asyncio.create_task(self._welcome(url), name="welcome")

    async def _welcome(self, url: str) -> None:
        try:
            await first_key(self._settings, url)
        except (Fault, StoreRefused) as error:
            # The server serves all the same, and the next start makes up for it.
            self._observer.fault("first_key_failed", "", error)

    def _stopping(self, relieved: asyncio.Event) -> None:
        # The port stays ready where others serve it.
        self._service.stopping = not relieved.is_set()
        self._service.stop_waiting()
        self._logs.info("stopping")

    def _server_options(self) -> ServerOptions:
        return ServerOptions(
            host=self._settings.host,
            port=self._settings.port,
            listeners=self._worker.listeners,
            hooks=self._hooks(),
            drain_delay_seconds=self._settings.drain_delay_seconds,
            shutdown_seconds=self._settings.shutdown_seconds,
        )

    def _hooks(self) -> ProtocolHooks:
        return ProtocolHooks(
            new_request_id=self._service.mint.request_id,
            observer=self._observer,
            bad_request=self._body(Rejection(code=ErrorCode.INVALID_REQUEST)),
            overloaded=self._overloaded,
            server_error=self._body(
                Rejection(code=ErrorCode.SERVER_ERROR, situation=Situation.COMMIT_UNKNOWN)
            ),
        )

    def _overloaded(self, message: str, request_id: str, wait_seconds: int) -> bytes:
        rejection = Rejection(code=ErrorCode.SERVER_ERROR, status=503, wait_seconds=wait_seconds)
        return self._service.refusal(rejection, message, request_id)

    def _body(self, rejection: Rejection) -> BodyFactory:
        return lambda message, request_id: self._service.refusal(rejection, message, request_id)

    @asynccontextmanager
    async def _metrics_served(self) -> AsyncIterator[None]:
        if not self._settings.metrics_port:
            yield
            return
        server = MetricsServer(
            self._metrics, self._settings.metrics_host, self._settings.metrics_port
        )
        try:
            await server.start(self._worker.metrics_listeners)
        except OSError as error:
            place = f"{self._settings.metrics_host}:{self._settings.metrics_port}"
            message = f"cannot listen on {place} for metrics: {error.strerror or error}"
            raise CannotListen(message) from error
        counting = Job(name=COUNT_TASKS, seconds=COUNT_TASKS_EVERY_SECONDS, run=self._count_tasks)
        watching = Job(
            name=WATCH_DATABASE, seconds=WATCH_DATABASE_EVERY_SECONDS, run=self._watch_database
        )
        try:
            async with _running(Runner([counting, watching], self._jobs, self._observer)):
                yield
        finally:
            await server.stop()

    async def _count_tasks(self) -> None:
        counts = await self._backend.reader.counts()
        self._metrics.set_task_counts({status.value: count for status, count in counts.items()})

    async def _watch_database(self) -> None:
        self._metrics.set_database(await self._backend.reader.state())


async def first_key(settings: Settings, url: str) -> None:
    """On an empty database, print a key and a line that uses it: once, and never again."""
    created = await operator_of(settings.database_options).first_key()
    words = SERVING if created is None else SERVING + WELCOME
    key = "" if created is None else created.key
    sys.stdout.write(words.format(key=key, url=url, kept=settings.database.shown))
    sys.stdout.flush()


PRETENDED: Final = """
Payments are pretended, and no money moves: {url} stands for PayPal
"""
SERVING: Final = """
Orchestrion serves {url} and keeps its tasks in {kept}
What an agent needs to know: {url}/AGENTS.md
"""
WELCOME: Final = """
Your API key, shown this once:

    {key}

Create a first task:

    curl -sS {url}/v1/tasks -H 'Authorization: Bearer {key}' \
-H 'Content-Type: application/json' -d '{{"type":"hello","payload":{{"name":"world"}}}}'

"""


async def _unless_stopped(
    stop: asyncio.Event, opening: Coroutine[object, object, Backend]
) -> Backend | None:
    """Wait for a database that may not answer yet, but not once asked to stop."""
    opened, asked = asyncio.create_task(opening), asyncio.create_task(stop.wait())
    await asyncio.wait({opened, asked}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if not opened.done():
        opened.cancel()
        await asyncio.wait({opened})
    return None if opened.cancelled() else opened.result()


@asynccontextmanager
async def _running(runner: Runner) -> AsyncIterator[None]:
    task = asyncio.create_task(runner.run(), name="jobs")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
