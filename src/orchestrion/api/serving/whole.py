"""Sends the head of an answer together with its body: one write to the client instead of two."""

import asyncio

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class HeldHead(asyncio.Transport):
    """What one cycle writes to: the connection, but for a head whose body is still to come."""

    __slots__ = ("_connection", "_head", "holding")

    def __init__(self, connection: asyncio.Transport) -> None:
        self._connection = connection
        self._head = b""
        self.holding = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write, or keep what is written until there is more."""
        if self.holding:
            self._head += data
        elif self._head:
            head, self._head = self._head, b""
            self._connection.write(head + data)
        else:
            self._connection.write(data)

    def flush(self) -> None:
        """Write what is kept."""
        self.holding = False
        if self._head:
            self.write(b"")

    def is_closing(self) -> bool:
        """Tell whether the connection closes."""
        return self._connection.is_closing()

    def close(self) -> None:
        """Write what is kept, then close the connection."""
        self.flush()
        self._connection.close()


class WholeAnswers:
    """Where an application sends the messages of one answer."""

    __slots__ = ("_cycle", "_wire")

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._wire = cycle.transport = HeldHead(cycle.transport)

    async def send(self, message: ASGISendEvent) -> None:
        """Send one message; a head leaves with what comes after it."""
        wire = self._wire
        wire.holding = message["type"] == "http.response.start"
        await self._cycle.send(message)
        # An answer to HEAD has no body that would take it along.
        if not wire.holding:
            wire.flush()
