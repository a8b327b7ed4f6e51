"""The real application on a thread of its own, behind a network that can be told to fail."""

import asyncio
import threading
from collections import deque
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import AsyncExitStack, contextmanager
from typing import Any, TypeVar

import httpx2
import msgspec

from orchestrion.jobs import expire_leases
from tests.databases import Database
from tests.harness import BASE_URL, Account, Harness, running

T = TypeVar("T")
PATIENCE_SECONDS = 30


class Loop:
    """An event loop on a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Have something done there."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def ask(self, work: Coroutine[Any, Any, T]) -> T:
        """Have something done there, awaited here."""
        return await asyncio.wrap_future(self.begin(work))

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Have something done there, and wait for it."""
        return self.begin(work).result(PATIENCE_SECONDS)

    def close(self) -> None:
        """End the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Fate(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a request: whether it reaches the application, and what comes back."""

    reaches: bool = True
    fails: type[httpx2.TransportError] | None = None
    answer: tuple[int, dict[str, str], bytes] | None = None


# The answer is lost; the request is lost, which the client cannot know; nobody listens.
LOST = Fate(fails=httpx2.ReadError)
LATE = Fate(fails=httpx2.ReadTimeout)
DROPPED = Fate(reaches=False, fails=httpx2.RemoteProtocolError)
UNSENT = Fate(reaches=False, fails=httpx2.ConnectError)


def answered(status: int, body: bytes = b"", **headers: str) -> Fate:
    """Have something before the application answer, and the application hear nothing."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fate(reaches=False, answer=(status, named, body))


class Network:
    """The way to the application; each request to come meets the next fate, if there is one."""

    def __init__(self, app: Any) -> None:  # noqa: ANN401 - an ASGI application
        self._transport = httpx2.ASGITransport(app, client=("192.0.2.251", 1234))
        self.fates: deque[Fate] = deque()
        self.requests: list[httpx2.Request] = []

    def fail(self, *fates: Fate) -> None:
        """Choose what becomes of the next requests."""
        self.fates.extend(fates)

    @property
    def paths(self) -> list[str]:
        """Where the requests went so far."""
        return [f"{request.method} {request.url.path}" for request in self.requests]

    async def carry(self, request: httpx2.Request) -> httpx2.Response:
        """Bring a request there and its answer back, whole."""
        self.requests.append(request)
        fate = self.fates.popleft() if self.fates else Fate()
        response = None
        if fate.reaches:
            answer = await self._transport.handle_async_request(request)
            stream = httpx2.ByteStream(await answer.aread())
            response = httpx2.Response(answer.status_code, headers=answer.headers, stream=stream)
        if fate.fails is not None:
            raise fate.fails("the network failed", request=request)
        if fate.answer is not None:
            status, headers, body = fate.answer
            return httpx2.Response(status, headers=headers, content=body)
        assert response is not None
        return response


class Bridge(httpx2.BaseTransport):
    """Brings requests of a blocking client to the application's loop."""

    def __init__(self, loop: Loop, network: Network) -> None:
        self._loop, self._network = loop, network

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        return self._loop.do(self._network.carry(request))


class AsyncBridge(httpx2.AsyncBaseTransport):
    """Brings requests of an async client to the application's loop."""

    def __init__(self, loop: Loop, network: Network) -> None:
        self._loop, self._network = loop, network

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        return await self._loop.ask(self._network.carry(request))


class Host(msgspec.Struct, frozen=True):
    """The running service, and the loop it runs on."""

    loop: Loop
    harness: Harness


class Application:
    """The service as one account has it: its clock, and the ways to it."""

    def __init__(self, host: Host) -> None:
        self._loop = host.loop
        self.harness = host.harness
        self.account: Account = host.loop.do(host.harness.account())
        self.network = Network(host.harness.service.app)
        self.bridge = Bridge(host.loop, self.network)
        self.async_bridge = AsyncBridge(host.loop, self.network)
        self.url = BASE_URL

    def pass_time(self, seconds: float) -> None:
        """Move the clock, and do what falls due."""
        self.harness.clock.advance(seconds)
        self._loop.do(self.harness.run_job(expire_leases.NAME))

    def ask(self, method: str, path: str, body: Any = None) -> Any:  # noqa: ANN401 - JSON
        """Send a request past the client and its network; gives the JSON of the answer."""
        client, headers = self.harness.client, self.account.headers
        answer = self._loop.do(client.request(method, path, json=body, headers=headers))
        assert answer.status_code < 300, answer.text
        return answer.json()

    @property
    def all_tasks(self) -> list[Any]:
        """All tasks of the account as the server shows them."""
        listed: list[Any] = self.ask("GET", "/v1/tasks?limit=100")["items"]
        return listed


@contextmanager
def hosting(database: Database) -> Iterator[Host]:
    """Run the application on a database."""
    loop = Loop()
    opened = AsyncExitStack()
    try:
        yield Host(loop, loop.do(opened.enter_async_context(running(database))))
    finally:
        loop.do(opened.aclose())
        loop.close()
