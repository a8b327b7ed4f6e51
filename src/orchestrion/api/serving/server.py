"""Runs Uvicorn until it is asked to stop, and stops it without losing an accepted request."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable, Iterator, Sequence

import msgspec
import uvicorn
from starlette.types import ASGIApp

from orchestrion.api.serving.acceptor import ACCEPTS_A_TURN, SHARED_ACCEPTS_A_TURN, Acceptor
from orchestrion.api.serving.gate import Gate, ProtocolHooks
from orchestrion.api.serving.listener import BACKLOG, begin, take
from orchestrion.api.serving.phases import ProtocolLimits
from orchestrion.api.serving.protocol import ServiceProtocol

if sys.platform != "win32":
    import resource

TICK_SECONDS = 1
# How long requests cancelled at the end of a stop may take to say so.
CANCEL_SECONDS = 1
# Open files besides connections: database, logs, metrics.
FILES_BESIDES = 256


class ServerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how to serve."""

    host: str
    port: int  # 0 lets the system choose
    # Sockets that are taken already, in place of host and port; the server closes them.
    listeners: Sequence[socket.socket] = ()
    hooks: ProtocolHooks
    limits: ProtocolLimits = ProtocolLimits()
    backlog: int = BACKLOG
    drain_delay_seconds: float = 0
    shutdown_seconds: float = 20


class ServerLifecycle(msgspec.Struct, frozen=True, kw_only=True):
    """When to stop, and whom to tell that it started (host, port) and that it is stopping.

    Once `relieved` is set another server accepts what comes to the same sockets: a stop then has
    no drain delay.
    """

    stop: asyncio.Event
    on_started: Callable[[str, int], None]
    on_stopping: Callable[[], None]
    relieved: asyncio.Event = msgspec.field(default_factory=asyncio.Event)


async def serve_http(app: ASGIApp, options: ServerOptions, lifecycle: ServerLifecycle) -> None:
    """Serve until `lifecycle.stop` is set and every accepted request is answered.

    Order of a stop: `on_stopping`; `drain_delay_seconds` of further service; the listener closes;
    up to `shutdown_seconds` for requests to finish; what is left is cancelled.
    """
    sockets = list(options.listeners) or await take(options.host, options.port)
    begin(sockets, f"{options.host}:{options.port}", options.backlog)
    _allow_open_files(options.limits.connections_max + options.limits.turned_away_max)
    server = _Server(app, options, lifecycle, sockets)
    try:
        await server.serve(sockets)
    finally:
        # Nothing is left after a stop in order; after a fault this frees the port.
        server.cut()


class _Server(uvicorn.Server):
    """Uvicorn's server, with the signals left to others and a stop that resets no request."""

    def __init__(
        self,
        app: ASGIApp,
        options: ServerOptions,
        lifecycle: ServerLifecycle,
        listeners: Sequence[socket.socket],
    ) -> None:
        self._gate = Gate(options.limits, options.hooks)
        super().__init__(_configuration(app, options))
        self._options = options
        self._lifecycle = lifecycle
        self._address = listeners[0].getsockname()
        # Whoever was given sockets shares them.
        accepts = SHARED_ACCEPTS_A_TURN if options.listeners else ACCEPTS_A_TURN
        self._acceptor = Acceptor(listeners, self._protocol, self._no_room, accepts)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - Uvicorn's name
        self._acceptor.begin()
        self.started = True
        host, port = self._address[:2]
        self._lifecycle.on_started(host, port)

    def _protocol(self) -> asyncio.Protocol:
        return ServiceProtocol(
            self._gate, config=self.config, server_state=self.server_state, app_state={}
        )

    def _no_room(self, error: OSError) -> None:
        self._options.hooks.observer.fault("accept_failed", "", error)

    async def main_loop(self) -> None:
        ticking = asyncio.create_task(self._tick())
        try:
            await self._lifecycle.stop.wait()
            self._lifecycle.on_stopping()
            self._gate.stop()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._options.drain_delay_seconds):
                    await self._lifecycle.relieved.wait()
        finally:
            ticking.cancel()

    async def _tick(self) -> None:
        while True:
            # The first tick of Uvicorn's count is the one that renews the Date header.
            await self.on_tick(0)
            await asyncio.sleep(TICK_SECONDS)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - as above
        # The system has told those who wait that they are connected; leave them to who takes over.
        relieved = self._lifecycle.relieved.is_set()
        self._acceptor.close(0 if relieved else self._options.backlog)
        await self._acceptor.settled()
        self._gate.stop()
        try:
            async with asyncio.timeout(self._options.shutdown_seconds):
                await self._gate.emptied()
                await self._tasks_done()
        except TimeoutError:
            for task in self.server_state.tasks:
                task.cancel()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CANCEL_SECONDS):
                    await self._tasks_done()

    def cut(self) -> None:
        """Let go of everything at once."""
        self._acceptor.close()
        self._gate.abort()

    async def _tasks_done(self) -> None:
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks)


def _configuration(app: ASGIApp, options: ServerOptions) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        interface="asgi3",
        http=ServiceProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        # Which forwarded addresses to believe is the application's decision.
        proxy_headers=False,
        backlog=options.backlog,
    )


def _allow_open_files(connections: int) -> None:
    """Raise this process's limit on open files to what the connections need, if it may."""
    if sys.platform == "win32":
        return
    wanted = connections + FILES_BESIDES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
