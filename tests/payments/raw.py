"""A server that answers whatever a test says, byte by byte, with or without TLS."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from orchestrion.payments.hosts import BaseUrl
from orchestrion.payments.paypal import PayPalOptions
from orchestrion.payments.tokens import Credentials

TOKEN = b'{"access_token": "A21AAtoken", "expires_in": 32400}'


class Raw:
    """Answers a token to the first path, and what it was given to all others."""

    def __init__(self, status: int = 200, body: bytes = b"{}", token: bytes = TOKEN) -> None:
        self.status, self.body, self.token = status, body, token
        self.headers: dict[str, str] = {}
        self.heads: list[str] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request and close."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        asks_token = "/v1/oauth2/token" in head
        status, body = (200, self.token) if asks_token else (self.status, self.body)
        lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
        if not asks_token:
            lines += [f"{name}: {value}" for name, value in self.headers.items()]
        writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode() + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


class Place(msgspec.Struct, frozen=True):
    """Where a raw server listens."""

    url: str

    @property
    def options(self) -> PayPalOptions:
        """What a client of it is given."""
        credentials = Credentials(client_id="us", secret="secret")
        return PayPalOptions(
            base_url=BaseUrl.parse(self.url), credentials=credentials, webhook_id="WEBHOOK1"
        )


@asynccontextmanager
async def raw_server(raw: Raw, tls: ssl.SSLContext | None = None) -> AsyncIterator[Place]:
    """Serve until the block ends."""
    server = await asyncio.start_server(raw.answer, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield Place(f"{'https' if tls else 'http'}://127.0.0.1:{port}")
