"""Requests to the application in process, one at a time; it knows nothing of tasks or rules."""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from starlette.types import ASGIApp

from tests.answers import AnswerCheck

Json = dict[str, Any]

# Holding an answer against the schema takes longer than the answer itself.
CHECKED_EVERY: Final = 25


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request; `key` is the API key, and the body is sent as it stands here."""

    method: str
    path: str
    key: str = ""
    body: Json | None = None
    idempotency_key: str | None = None

    def told(self) -> str:
        """Write it on one line, for whoever reads what led to a failure."""
        key = "" if self.idempotency_key is None else f" Idempotency-Key: {self.idempotency_key}"
        body = "" if self.body is None else " " + json.dumps(self.body)
        return f"{self.method} {self.path}{key}{body}"


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer as it came."""

    status: int
    headers: dict[str, str]
    raw: bytes

    def json(self) -> Json:
        """Read the body."""
        value: Json = json.loads(self.raw)
        return value


class Wire:
    """Sends requests to an application and checks a sample of the answers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._check = AnswerCheck()
        self._sent = 0

    async def send(self, asked: Asked, address: str = "192.0.2.1") -> Reply:
        """Send a request and give its answer."""
        reply = await call(self.app, asked, address)
        self._sent += 1
        if self._sent % CHECKED_EVERY == 0:
            self._check.check(asked.method, asked.path, reply.status, reply.headers, reply.raw)
        return reply


async def call(app: ASGIApp, asked: Asked, address: str) -> Reply:
    """Put one request to an application."""
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await app(_scope(asked, address), _receiving(asked), send)
    start = next(one for one in sent if one["type"] == "http.response.start")
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return Reply(
        status=start["status"],
        headers=headers,
        raw=b"".join(one.get("body", b"") for one in sent if one is not start),
    )


def _scope(asked: Asked, address: str) -> MutableMapping[str, Any]:
    parts = urlsplit(asked.path)
    headers = [(b"host", b"orchestrion.test")]
    if asked.key:
        headers.append((b"authorization", f"Bearer {asked.key}".encode()))
    if asked.idempotency_key is not None:
        headers.append((b"idempotency-key", asked.idempotency_key.encode()))
    if asked.body is not None:
        headers.append((b"content-type", b"application/json"))
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": asked.method,
        "scheme": "http",
        "path": parts.path,
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "root_path": "",
        "headers": headers,
        "server": ("orchestrion.test", None),
        "client": (address, 1234),
    }


def _receiving(asked: Asked) -> Callable[[], Awaitable[MutableMapping[str, Any]]]:
    parts = [b"" if asked.body is None else compact(asked.body).encode()]

    async def receive() -> MutableMapping[str, Any]:
        if not parts:
            # The caller stays on the line.
            await asyncio.Event().wait()
        return {"type": "http.request", "body": parts.pop(), "more_body": False}

    return receive


def compact(value: object) -> str:
    """Write JSON without a space, as the server does."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
