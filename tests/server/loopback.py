"""A real server in a thread and raw clients on loopback."""

import asyncio
import contextlib
import json
import queue
import socket
import threading
from collections.abc import Iterator
from typing import Any, Self

import msgspec
import uvloop
from starlette.types import Receive, Scope, Send

from orchestrion.api.serving.gate import ProtocolHooks
from orchestrion.api.serving.phases import ProtocolLimits
from orchestrion.api.serving.server import ServerLifecycle, ServerOptions, serve_http
from orchestrion.engine.ports import BatchRecord, RequestRecord

PATIENCE_SECONDS = 5
LARGE_BYTES = 24 * 1024 * 1024
QUICK = ProtocolLimits(sweep_seconds=0.01, linger_seconds=0.2, stop_idle_seconds=0.02)


class Record:
    """An observer that keeps what it is told, for tests to wait for."""

    def __init__(self) -> None:
        self.refusals: queue.Queue[str] = queue.Queue()
        self.faults: list[BaseException] = []
        self.requests: list[RequestRecord] = []

    def request(self, record: RequestRecord) -> None:
        self.requests.append(record)

    def batch(self, record: BatchRecord) -> None:
        raise AssertionError(record)

    def fault(self, event: str, request_id: str, error: BaseException) -> None:
        assert event
        assert request_id
        self.faults.append(error)

    def refused(self, reason: str) -> None:
        self.refusals.put(reason)

    def refusal(self) -> str:
        return self.refusals.get(timeout=PATIENCE_SECONDS)


class Application:
    """A tiny application; the path says how it behaves."""

    def __init__(self) -> None:
        self.events: queue.Queue[str] = queue.Queue()
        self.release = asyncio.Event()

    def event(self) -> str:
        return self.events.get(timeout=PATIENCE_SECONDS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        match scope["path"]:
            case "/early":
                await answer(send, b"early")
            case "/held":
                await self._hold(receive)
                await answer(send, b"released")
            case "/large":
                await answer(send, bytes(LARGE_BYTES))
            case "/crash":
                raise ZeroDivisionError
            case "/half":
                await begin(send, 10)
            case _:
                await answer(send, await whole_body(receive))

    async def _hold(self, receive: Receive) -> None:
        self.events.put("started")
        try:
            await whole_body(receive)
            self.events.put("read")
            await self.release.wait()
        except asyncio.CancelledError:
            self.events.put("cancelled")
            raise


async def whole_body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return body
        piece: bytes = message["body"]
        body += piece
        if not message["more_body"]:
            return body


async def begin(send: Send, length: int) -> None:
    headers = [(b"content-length", b"%d" % length)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def answer(send: Send, body: bytes) -> None:
    await begin(send, len(body))
    await send({"type": "http.response.body", "body": body})


def error_body(message: str, request_id: str) -> bytes:
    return json.dumps({"message": message, "request_id": request_id}).encode()


def wait_body(message: str, request_id: str, wait_seconds: int) -> bytes:
    body = {"message": message, "request_id": request_id, "wait": wait_seconds}
    return json.dumps(body).encode()


def hooks(record: Record) -> ProtocolHooks:
    return ProtocolHooks(
        new_request_id=lambda: "req_1",
        observer=record,
        bad_request=error_body,
        overloaded=wait_body,
        server_error=error_body,
    )


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """A raw connection; every wait has a deadline."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
        self.received = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.socket.sendall(piece)

    def trickle(self, pieces: Iterator[bytes], pause_seconds: float) -> None:
        """Send a piece whenever the server has been silent for a while, until it is not."""
        self.socket.settimeout(pause_seconds)
        for piece in pieces:
            self.send(piece)
            try:
                self.received += self.socket.recv(65_536)
            except TimeoutError:
                continue
            break
        self.socket.settimeout(PATIENCE_SECONDS)

    def answer(self) -> Answer:
        while b"\r\n\r\n" not in self.received:
            self._receive()
        head, self.received = self.received.split(b"\r\n\r\n", 1)
        status_line, *lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        length = int(headers["content-length"])
        while len(self.received) < length:
            self._receive()
        body, self.received = self.received[:length], self.received[length:]
        return Answer(status=int(status_line.split()[1]), headers=headers, body=body)

    def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        with contextlib.suppress(EOFError):
            while True:
                self._receive()
        return self.received

    def _receive(self) -> None:
        data = self.socket.recv(1 << 20)
        if not data:
            raise EOFError
        self.received += data


class Running:
    """A server in a thread of its own."""

    def __init__(self, limits: ProtocolLimits) -> None:
        self.record = Record()
        self.app = Application()
        self.stopping = threading.Event()
        self.options = ServerOptions(
            host="127.0.0.1", port=0, hooks=hooks(self.record), limits=limits
        )
        self.clients: list[Client] = []
        self._started: queue.Queue[int] = queue.Queue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self.thread = threading.Thread(target=lambda: uvloop.run(self._serve()))

    def start(self) -> None:
        self.thread.start()
        self.port = self._started.get(timeout=PATIENCE_SECONDS)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        lifecycle = ServerLifecycle(
            stop=self._stop,
            on_started=lambda _host, port: self._started.put(port),
            on_stopping=self.stopping.set,
        )
        await serve_http(self.app, self.options, lifecycle)

    def connect(self) -> Client:
        client = Client(self.port)
        self.clients.append(client)
        return client

    def release(self) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self.app.release.set)

    def stop(self) -> None:
        assert self._loop is not None
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)

    def end(self) -> None:
        """Stop and see that nothing is left running."""
        for client in self.clients:
            client.socket.close()
        if self.thread.is_alive():
            self.stop()
        self.thread.join(PATIENCE_SECONDS)
        assert not self.thread.is_alive()


@contextlib.contextmanager
def serving(limits: ProtocolLimits = QUICK, **options: Any) -> Iterator[Running]:  # noqa: ANN401
    running = Running(limits)
    running.options = msgspec.structs.replace(running.options, **options)
    running.start()
    try:
        yield running
    finally:
        running.end()


def request(path: str, body: bytes = b"") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body
