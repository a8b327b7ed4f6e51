"""What the connections of one server share: limits, answers below the application, the sweep."""

import asyncio
import random
from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol

import msgspec

from orchestrion.api.serving.phases import IDLE, NEW, Phase, ProtocolLimits, seconds_allowed
from orchestrion.api.serving.refusals import Refusal
from orchestrion.engine.ports import Observer, RequestRecord

Headers = list[tuple[bytes, bytes]]
BodyFactory = Callable[[str, str], bytes]
WaitBodyFactory = Callable[[str, str, int], bytes]


class ProtocolHooks(msgspec.Struct, frozen=True, kw_only=True):
    """What the protocol takes from the application; each body is made of (message, request id).

    That of who is turned away is also made of the seconds to wait, which the header tells too.
    """

    new_request_id: Callable[[], str]
    observer: Observer
    bad_request: BodyFactory
    overloaded: WaitBodyFactory
    server_error: BodyFactory


class Connection(Protocol):
    """What the gate asks of a connection."""

    def sweep(self, now: float) -> None:
        """Act on a deadline that has passed."""

    def shutdown(self) -> None:
        """End as soon as nothing is owed."""

    def abort(self) -> None:
        """End now."""


class Gate:
    """Knows the open connections of one server and sweeps over them with a single timer."""

    def __init__(self, limits: ProtocolLimits, hooks: ProtocolHooks) -> None:
        self.limits = limits
        self.hooks = hooks
        self.stopping = False
        self.connections: set[Connection] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._timer: asyncio.TimerHandle | None = None

    def enter(self, connection: Connection) -> None:
        """Count a connection and see that it is swept."""
        self.connections.add(connection)
        self._empty.clear()
        if self._timer is None:
            self._arm()

    def leave(self, connection: Connection) -> None:
        """Forget a lost connection."""
        self.connections.discard(connection)
        if not self.connections:
            self._empty.set()

    def stop(self) -> None:
        """Let every connection end with its next answer, or soon if nothing more arrives."""
        self.stopping = True
        for connection in list(self.connections):
            connection.shutdown()

    def seconds_allowed(self, phase: Phase) -> float:
        """Give the longest time a connection may spend in a phase."""
        if self.stopping and (phase is NEW or phase is IDLE):
            return self.limits.stop_idle_seconds
        return seconds_allowed(phase, self.limits)

    async def emptied(self) -> None:
        """Wait until the last connection is lost."""
        await self._empty.wait()

    def abort(self) -> None:
        """Drop every connection as it is."""
        for connection in list(self.connections):
            connection.abort()

    def answer(
        self, status: HTTPStatus, refusal: Refusal, request_id: str, headers: Headers
    ) -> bytes:
        """Compose a whole response in the error shape that also announces the end."""
        wait = self._wait_seconds()
        body, code = self._body(status, refusal.message, request_id, wait)
        self.hooks.observer.request(
            RequestRecord(
                request_id=request_id,
                operation="unknown",
                method="",
                account_id="",
                status=status,
                seconds=0,
                error=code,
            )
        )
        lines = [b"HTTP/1.1 %d %s" % (status, status.phrase.encode())]
        lines += [b"%s: %s" % header for header in headers]
        lines += [
            b"content-type: application/json",
            b"content-length: %d" % len(body),
            b"x-request-id: %s" % request_id.encode(),
            b"connection: close",
        ]
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            lines.append(b"retry-after: %d" % wait)
        return b"\r\n".join([*lines, b"", body])

    def _wait_seconds(self) -> int:
        limits = self.limits
        return random.randint(  # noqa: S311 - no secret
            limits.retry_after_seconds_min, limits.retry_after_seconds_max
        )

    def _body(
        self, status: HTTPStatus, message: str, request_id: str, wait: int
    ) -> tuple[bytes, str]:
        hooks = self.hooks
        if status == HTTPStatus.BAD_REQUEST:
            return hooks.bad_request(message, request_id), "invalid_request"
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            return hooks.overloaded(message, request_id, wait), "server_error"
        return hooks.server_error(message, request_id), "server_error"

    def _arm(self) -> None:
        seconds = self.limits.sweep_seconds
        self._timer = asyncio.get_running_loop().call_later(seconds, self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        if not self.connections:
            return
        # Armed first: a sweep that breaks must not be the last one.
        self._arm()
        now = asyncio.get_running_loop().time()
        for connection in list(self.connections):
            connection.sweep(now)
