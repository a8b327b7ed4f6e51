"""How requests reach the application in this process: by no port, from any thread and any loop."""

import asyncio
from concurrent.futures import Future
from typing import Final

import httpx2

from orchestrion.testing.hosting import Hosting, Stopped

# What the application takes for the port at the other end.
CLIENT_PORT: Final = 50_000


class Wire:
    """Carries requests to the service's loop, and gives their answers whole."""

    def __init__(self, hosting: Hosting, address: str) -> None:
        self._hosting = hosting
        self._address = address

    def send(self, request: httpx2.Request) -> Future[httpx2.Response]:
        """Have a request answered that has been read."""
        try:
            return self._hosting.submit(self._carry(request))
        except Stopped as error:
            raise httpx2.ConnectError(str(error), request=request) from error

    async def _carry(self, request: httpx2.Request) -> httpx2.Response:
        app = self._hosting.service.app
        transport = httpx2.ASGITransport(app, client=(self._address, CLIENT_PORT))
        answer = await transport.handle_async_request(request)
        stream = httpx2.ByteStream(await answer.aread())
        return httpx2.Response(answer.status_code, headers=answer.headers, stream=stream)


class LocalTransport(httpx2.BaseTransport):
    """For `Orchestrion(transport=...)` and `httpx2.Client(transport=...)`."""

    def __init__(self, hosting: Hosting, address: str) -> None:
        self._wire = Wire(hosting, address)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a request."""
        request.read()
        return self._wire.send(request).result()


class AsyncLocalTransport(httpx2.AsyncBaseTransport):
    """For `AsyncOrchestrion(transport=...)` and `httpx2.AsyncClient(transport=...)`."""

    def __init__(self, hosting: Hosting, address: str) -> None:
        self._wire = Wire(hosting, address)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a request; whoever is cancelled meanwhile has hung up."""
        await request.aread()
        return await asyncio.wrap_future(self._wire.send(request))
