"""How requests reach the application in this process: by no port, from any thread and any loop."""

import asyncio
from typing import Final

import httpx2

from orchestrion.testing.hosting import Hosting

# What the application takes for the port at the other end.
CLIENT_PORT: Final = 50_000


class Wire:
    """Carries requests to the service's loop, and gives their answers whole."""

    def __init__(self, hosting: Hosting, address: str) -> None:
        self._hosting = hosting
        self._address = address

    async def carry(self, request: httpx2.Request) -> httpx2.Response:
        """Have a request answered; on the service's loop."""
        app = self._hosting.service.app
        transport = httpx2.ASGITransport(app, client=(self._address, CLIENT_PORT))
        answer = await transport.handle_async_request(request)
        body = await answer.aread()
        stream = httpx2.ByteStream(body)
        return httpx2.Response(answer.status_code, headers=answer.headers, stream=stream)


class LocalTransport(httpx2.BaseTransport):
    """For `Orchestrion(transport=...)` and `httpx2.Client(transport=...)`."""

    def __init__(self, hosting: Hosting, address: str) -> None:
        self._hosting = hosting
        self._wire = Wire(hosting, address)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a request."""
        request.read()
        return self._hosting.call(self._wire.carry(request))


class AsyncLocalTransport(httpx2.AsyncBaseTransport):
    """For `AsyncOrchestrion(transport=...)` and `httpx2.AsyncClient(transport=...)`."""

    def __init__(self, hosting: Hosting, address: str) -> None:
        self._hosting = hosting
        self._wire = Wire(hosting, address)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a request; whoever is cancelled meanwhile has hung up."""
        await request.aread()
        return await asyncio.wrap_future(self._hosting.submit(self._wire.carry(request)))
