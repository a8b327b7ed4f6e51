"""A tiny HTTP server for the metrics page, in the event loop that is there; never the API's."""

import asyncio
import socket
from asyncio import IncompleteReadError, LimitOverrunError, StreamReader, StreamWriter, Task
from collections.abc import Sequence
from functools import partial

import msgspec

from orchestrion.observe.metrics import Metrics

PATH = "/metrics"


class ServerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much one scrape, and how many at once, may take."""

    head_bytes_max: int = 8_192
    exchange_seconds_max: float = 10
    connections_max: int = 16


DEFAULT_LIMITS = ServerLimits()


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What one scrape is told."""

    status: str
    content_type: str = "text/plain; charset=utf-8"
    body: bytes = b""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What of a request matters here."""

    method: str
    path: str
    accept: str


class MetricsServer:
    """Answers GET /metrics, one request per connection."""

    def __init__(
        self, metrics: Metrics, host: str, port: int, limits: ServerLimits = DEFAULT_LIMITS
    ) -> None:
        self._metrics = metrics
        self._host = host
        self._port = port
        self._limits = limits
        self._servers: list[asyncio.Server] = []
        self._exchanges: set[Task[None]] = set()

    async def start(self, listeners: Sequence[socket.socket] = ()) -> int:
        """Begin to listen; the port, chosen by the system if 0 was asked for.

        Sockets given listen already, and take the place of host and port.
        """
        most = self._limits.head_bytes_max
        for listener in listeners:
            server = await asyncio.start_server(self._connected, sock=listener, limit=most)
            self._servers.append(server)
        if not listeners:
            self._servers.append(
                await asyncio.start_server(self._connected, self._host, self._port, limit=most)
            )
        port: int = self._servers[0].sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Stop listening and cut what is being answered; harmless if never started."""
        for server in self._servers:
            server.close()
        for exchange in self._exchanges:
            exchange.cancel()
        await asyncio.gather(*self._exchanges, return_exceptions=True)
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()

    def _connected(self, reader: StreamReader, writer: StreamWriter) -> None:
        if len(self._exchanges) >= self._limits.connections_max:
            writer.transport.abort()
            return
        exchange = asyncio.create_task(self._exchange(reader, writer))
        self._exchanges.add(exchange)
        exchange.add_done_callback(partial(self._ended, writer))

    def _ended(self, writer: StreamWriter, exchange: Task[None]) -> None:
        # Here, because a task that is cancelled before its first step runs no `finally`.
        self._exchanges.discard(exchange)
        writer.transport.abort()

    async def _exchange(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            async with asyncio.timeout(self._limits.exchange_seconds_max):
                request = parse(await reader.readuntil(b"\r\n\r\n"))
                writer.write(rendered(await self._answer(request), request))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (IncompleteReadError, LimitOverrunError, TimeoutError, ConnectionError):
            # Nobody there, or nobody who speaks HTTP in time: not worth an answer.
            return

    async def _answer(self, request: Request) -> Answer:
        if request.path != PATH:
            return Answer(status="404 Not Found", body=b"Metrics are at /metrics.\n")
        if request.method not in {"GET", "HEAD"}:
            return Answer(status="405 Method Not Allowed", body=b"Metrics are read with GET.\n")
        # A page takes milliseconds to write; requests go on being answered meanwhile.
        body, content_type = await asyncio.to_thread(self._metrics.page, request.accept)
        return Answer(status="200 OK", content_type=content_type, body=body)


def parse(head: bytes) -> Request:
    """Read a request's head; what is not HTTP has no method and no path."""
    first, *fields = head.decode("latin-1").split("\r\n")
    method, _, rest = first.partition(" ")
    accept = ""
    for field in fields:
        name, _, value = field.partition(":")
        if name.lower() == "accept":
            accept = value.strip()
    return Request(method=method, path=rest.partition(" ")[0].partition("?")[0], accept=accept)


def rendered(answer: Answer, request: Request) -> bytes:
    """The answer as bytes; a HEAD is told the length alone."""
    head = (
        f"HTTP/1.1 {answer.status}\r\n"
        f"content-type: {answer.content_type}\r\n"
        f"content-length: {len(answer.body)}\r\n"
        "allow: GET, HEAD\r\n"
        "connection: close\r\n\r\n"
    )
    return head.encode("latin-1") + (b"" if request.method == "HEAD" else answer.body)
