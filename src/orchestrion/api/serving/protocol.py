"""Uvicorn's HTTP/1.1 protocol with deadlines, caps and error answers; knows no route.

A connection is always in one phase. Parser and cycle callbacks move it from phase to phase and
note the time; only the gate's sweep compares times, so a request costs no timer.
"""

import asyncio
import socket
import struct
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from orchestrion.api.serving.gate import Gate
from orchestrion.api.serving.phases import ANSWER, BODY, HEAD, IDLE, LEAVING, NEW, REFUSED
from orchestrion.api.serving.refusals import (
    BODY_LATE,
    CROWDED,
    FAILED,
    HEAD_LATE,
    HEAD_TOO_LARGE,
    MALFORMED,
    RESPONSE_UNREAD,
    TOO_MANY_HEADERS,
    TOO_MANY_PIPELINED,
    Refusal,
)
from orchestrion.api.serving.whole import WholeAnswers

# What the parser calls a request line that ends with its target.
UNVERSIONED = "0.9"


class Refused(Exception):
    """Raised inside a parser callback to end the parsing."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


class ServiceProtocol(HttpToolsProtocol):
    """One client connection."""

    def __init__(
        self,
        gate: Gate,
        *,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.access_log = False
        self.gate = gate
        self.limits = gate.limits
        self.phase = NEW
        self.since = self.loop.time()
        # Bytes of the present head in earlier chunks (negative: unknown), bytes in this chunk.
        self.head_bytes = 0
        self.chunk_bytes = 0
        self.upgrading = False
        # The oldest unanswered cycle, which alone may write; `cycle` is the newest parsed one.
        self.running: RequestResponseCycle | None = None
        self.task: asyncio.Task[None] | None = None
        self.last_words = b""
        self.unsent = 0
        self.unsent_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Enter, unless the house is full."""
        super().connection_made(transport)
        self.gate.enter(self)
        if len(self.connections) <= self.limits.connections_max:
            return
        self.connections.discard(self)
        self.gate.hooks.observer.refused(CROWDED.reason)
        if len(self.gate.connections) - len(self.connections) > self.limits.turned_away_max:
            transport.abort()
        else:
            self._leave(self._answer(HTTPStatus.SERVICE_UNAVAILABLE, CROWDED))

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the request whose answer nobody will read."""
        self.gate.leave(self)
        super().connection_lost(exc)
        self.pipeline.clear()
        if self.running is not None:
            self._abandon(self.running)

    def data_received(self, data: bytes) -> None:
        """Parse, count, refuse."""
        phase = self.phase
        if phase is IDLE or phase is NEW:
            self._begin_head()
        elif phase is LEAVING or phase is REFUSED:
            return
        self.chunk_bytes = len(data)
        try:
            self.parser.feed_data(data)
            if self.phase is HEAD:
                self._count_unfinished_head()
        except httptools.HttpParserUpgrade as upgrade:
            self.data_received(self._head_without_upgrade() + data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause.refusal if isinstance(cause, Refused) else MALFORMED)

    def on_url(self, url: bytes) -> None:
        """Note the head of a request that began in the middle of a chunk."""
        if self.phase is not HEAD:
            self._begin_head()
            # Where in the chunk it began is not known: uncounted, until it is complete.
            self.head_bytes = -self.chunk_bytes
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a field of the head; a trailer must not pass for one, so trailers are dropped."""
        if self.phase is HEAD:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Check the head, then let the application start while the body may still arrive."""
        limits = self.limits
        received = self.head_bytes + self.chunk_bytes
        if self.parser.get_http_version() == UNVERSIONED:
            raise Refused(MALFORMED)
        if len(self.headers) > limits.headers_max:
            raise Refused(TOO_MANY_HEADERS)
        if self.pipeline and len(self.pipeline) >= limits.pipeline_max:
            raise Refused(TOO_MANY_PIPELINED)
        if received > limits.head_bytes_max or self.head_bytes < 0:
            self._add_up_head()
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise Refused(MALFORMED)
            self.upgrading = True
            return
        super().on_headers_complete()
        if self.gate.stopping:
            self.cycle.keep_alive = False
        self.phase = BODY
        self.since = self.loop.time()

    def on_body(self, body: bytes) -> None:
        """Add to the body, and read no further while the application leaves too much unread."""
        cycle = self.cycle
        if cycle.response_complete:
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        """Hand the end of the body to the application."""
        if self.upgrading:
            return
        cycle = self.cycle
        if cycle.response_complete:
            self._rest()
        else:
            cycle.more_body = False
            cycle.message_event.set()
            self.phase = ANSWER

    def on_response_complete(self) -> None:
        """Turn to the next pipelined request, the pending refusal, or rest."""
        self.server_state.total_requests += 1
        self.running = None
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self.phase is REFUSED:
            self._leave(self.last_words)
        elif self.phase is ANSWER:
            self._rest()

    def shutdown(self) -> None:
        """End with the answer that is due, or soon: a request may be on its way just now."""
        if self.phase is NEW or self.phase is IDLE:
            self.since = self.loop.time()
        elif self.cycle is not None:
            self.cycle.keep_alive = False

    def abort(self) -> None:
        """Drop the connection as it is."""
        self.transport.abort()

    def sweep(self, now: float) -> None:
        """Compare the clock of the present phase with its limit."""
        if self._unread(now):
            self.gate.hooks.observer.refused(RESPONSE_UNREAD.reason)
            self._reset()
            return
        if self.flow.read_paused or (self.unsent and self.phase is IDLE):
            self.since = now
        elif now - self.since >= self.gate.seconds_allowed(self.phase):
            self._overdue()

    # --- deadlines

    def _overdue(self) -> None:
        if self.phase is BODY:
            self._refuse(BODY_LATE)
        elif self.phase is HEAD and (self.url or self.cycle is None):
            self._refuse(HEAD_LATE)
        else:
            # Nothing was asked; stray line ends after an earlier request ask for nothing.
            self.transport.close()

    def _unread(self, now: float) -> bool:
        """Tell whether the client takes too little of what was written for it."""
        size = self.transport.get_write_buffer_size()
        if size and self.unsent and size > self.unsent - self.limits.write_bytes_min:
            return now - self.unsent_since >= self.limits.write_seconds
        self.unsent = size
        self.unsent_since = now
        return False

    def _reset(self) -> None:
        # Otherwise the kernel keeps what was written, and offers it, for minutes after the end.
        reset = struct.pack("ii", 1, 0)
        wire = self.transport.get_extra_info("socket")
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        self.transport.abort()

    def resume_writing(self) -> None:
        """Note that the client reads: a streamed response may grow as fast as it shrinks."""
        super().resume_writing()
        self.unsent = 0

    def _rest(self) -> None:
        self.phase = IDLE
        self.since = self.loop.time()

    # --- the head

    def _begin_head(self) -> None:
        self.phase = HEAD
        self.since = self.loop.time()
        self.head_bytes = 0
        self.url = b""

    def _add_up_head(self) -> None:
        """Measure a head exactly, whose chunks were large enough and may hold more than it."""
        request_line = len(self.url) + len(b"GET  HTTP/1.1\r\n")
        fields = sum(len(name) + len(value) + len(b": \r\n") for name, value in self.headers)
        if request_line + fields > self.limits.head_bytes_max:
            raise Refused(HEAD_TOO_LARGE)

    def _count_unfinished_head(self) -> None:
        self.head_bytes += self.chunk_bytes
        if self.head_bytes > self.limits.head_bytes_max:
            self._refuse(HEAD_TOO_LARGE)

    def _head_without_upgrade(self) -> bytes:
        # We offer no other protocol, so the request goes on as HTTP/1.1. The parser however ends
        # such a message at its head and loses the body: it gets the head again without the wish.
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (method, self.url, version)]
        lines += [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.upgrading = False
        return b"\r\n".join([*lines, b"", b""])

    # --- refusals

    def _answer(self, status: HTTPStatus, refusal: Refusal, request_id: str = "") -> bytes:
        request_id = request_id or self.gate.hooks.new_request_id()
        return self.gate.answer(status, refusal, request_id, self.server_state.default_headers)

    def _refuse(self, refusal: Refusal) -> None:
        """Answer 400 and end the connection, after the answers that are due before it."""
        self.gate.hooks.observer.refused(refusal.reason)
        in_body, self.phase = self.phase is BODY, REFUSED
        if in_body and self.cycle.response_started:
            self.cycle.disconnected = True
            self.cycle.transport.close()
            return
        if in_body:
            self._abandon(self.cycle)
        self.last_words = self._answer(HTTPStatus.BAD_REQUEST, refusal)
        if self.running is None:
            self._leave(self.last_words)

    def _abandon(self, cycle: RequestResponseCycle) -> None:
        """Take a request back from the application unless its answer has begun."""
        cycle.disconnected = True
        cycle.message_event.set()
        if cycle is not self.running:
            self.pipeline.popleft()
            return
        self.running = None
        if not cycle.response_started and self.task is not None:
            self.task.cancel()

    def _leave(self, words: bytes) -> None:
        """Say the last words, then wait for the client to hang up.

        Closing at once would reset the connection while the client still sends, and the reset
        may overtake the answer.
        """
        self.phase = LEAVING
        self.since = self.loop.time()
        self.pipeline.clear()
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        self.transport.write(words)
        self.transport.write_eof()

    # --- the application

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        task = self.loop.create_task(self._run(cycle, app))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)
        self.running = cycle
        self.task = task

    async def _run(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Run the application for one request; a cancelled one is of interest to nobody."""
        try:
            await app(cycle.scope, cycle.receive, WholeAnswers(cycle).send)
        except asyncio.CancelledError as error:
            if not cycle.disconnected:
                self._fail(cycle, error)
        except Exception as error:  # noqa: BLE001 - outside even the outermost middleware
            self._fail(cycle, error)
        else:
            if not cycle.response_complete and not cycle.disconnected:
                self._fail(cycle, RuntimeError("the application left its response unfinished"))
        finally:
            # Breaks the reference cycle with the connection, as Uvicorn does.
            cycle.on_response = _nothing

    def _fail(self, cycle: RequestResponseCycle, error: BaseException) -> None:
        request_id = self.gate.hooks.new_request_id()
        self.gate.hooks.observer.fault(FAILED.reason, request_id, error)
        if cycle.disconnected or cycle.response_complete:
            return
        cycle.disconnected = True
        self.running = None
        if cycle.response_started:
            cycle.transport.close()
            return
        self._leave(self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, FAILED, request_id))


def _nothing() -> None:
    pass
