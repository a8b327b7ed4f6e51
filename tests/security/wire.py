"""One kept connection to a real server, whose answers are handed on as their bytes."""

import asyncio
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Self

import msgspec

HOST: Final = "127.0.0.1"
ANSWER_SECONDS: Final = 30
NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it is to be sent."""

    name: str
    method: str
    path: str
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = NO_HEADERS

    def encoded(self, key: str) -> bytes:
        """Write it as HTTP."""
        body = b"" if self.body is None else json.dumps(self.body).encode()
        lines = [
            f"{self.method} {self.path} HTTP/1.1",
            f"Host: {HOST}",
            *([f"Authorization: Bearer {key}"] if key else []),
            *([] if self.body is None else ["Content-Type: application/json"]),
            f"Content-Length: {len(body)}",
            *(f"{name}: {value}" for name, value in self.headers.items()),
        ]
        return "\r\n".join([*lines, "", ""]).encode() + body


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """An answer: its head as it came, and its body."""

    head: bytes
    body: bytes

    @property
    def status(self) -> int:
        """The number in its first line."""
        return int(self.head[9:12])

    @property
    def bytes(self) -> bytes:
        """All that came."""
        return self.head + self.body


class Wire:
    """A connection that takes one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, port: int) -> Self:
        """Connect to a port of this machine."""
        return cls(*await asyncio.open_connection(HOST, port))

    async def ask(self, sent: bytes) -> Heard:
        """Send a request and read its answer."""
        self._writer.write(sent)
        async with asyncio.timeout(ANSWER_SECONDS):
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            return Heard(head=head, body=await self._reader.readexactly(length))

    async def close(self) -> None:
        """Hang up."""
        self._writer.close()
        await self._writer.wait_closed()
