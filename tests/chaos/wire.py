"""One kept-alive HTTP/1.1 connection to a server that may die, stall or lie at any byte.

Must not retry: whoever records a history has to know of every request that left.
"""

import asyncio
import contextlib
from typing import Final

import msgspec

HOST: Final = "127.0.0.1"
CONNECT_SECONDS: Final = 5.0
HEAD_END: Final = b"\r\n\r\n"


class NotSentError(Exception):
    """Nobody took the connection: the request surely did not happen."""


class LostError(Exception):
    """The request left, and no whole answer came: it may have happened."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer."""

    status: int
    content: bytes
    retry_after: float | None


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent, except for the body's length."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    content: bytes | None = None

    def encoded(self) -> bytes:
        """Give the bytes that go over the wire."""
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {HOST}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.content is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(self.content)}"]
        return "\r\n".join(lines).encode() + HEAD_END + (self.content or b"")


class Wire:
    """A connection to one port, opened when it is needed and again after it broke."""

    def __init__(self, port: int, patience_seconds: float) -> None:
        self._port = port
        self._patience_seconds = patience_seconds
        self._ends: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: Request) -> Answer:
        """Send a request and wait for its answer; raises NotSentError or LostError."""
        reader, writer = await self._connected()
        try:
            async with asyncio.timeout(self._patience_seconds):
                writer.write(request.encoded())
                await writer.drain()
                return await _read(reader)
        except (OSError, EOFError, asyncio.LimitOverrunError) as error:
            # TimeoutError is an OSError.
            self.close()
            raise LostError(repr(error)) from error
        except asyncio.CancelledError:
            self.close()
            raise

    def close(self) -> None:
        """Break the connection off."""
        if self._ends is not None:
            self._ends[1].transport.abort()
            self._ends = None

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._ends is not None and not self._ends[0].at_eof():
            return self._ends
        self.close()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                self._ends = await asyncio.open_connection(HOST, self._port, limit=1 << 22)
        except OSError as error:
            raise NotSentError(repr(error)) from error
        return self._ends


async def _read(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(HEAD_END)).decode("latin-1")
    first, *lines = head.split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    content = await reader.readexactly(int(headers["content-length"]))
    retry_after = None
    with contextlib.suppress(KeyError):
        retry_after = float(headers["retry-after"])
    return Answer(status=int(first.split(" ")[1]), content=content, retry_after=retry_after)
