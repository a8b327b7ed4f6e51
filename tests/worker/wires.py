"""A network between worker and application that can be cut, and that loses answers."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import httpx2
from msgspec.structs import replace

from orchestrion import AsyncOrchestrion, Worker
from orchestrion.testing import LocalOrchestrion
from tests.worker.working import LOOK_SECONDS

CLAIM = "/v1/tasks/claim"
COMPLETE = "/v1/tasks/complete"
FAIL = "/v1/tasks/fail"


class Network:
    """What the worker's requests go through; heartbeats go their own way."""

    def __init__(self) -> None:
        self.cut = False
        # How many answers to requests of a path are lost after they took effect.
        self.lost: Counter[str] = Counter()
        # Paths whose answers never come, until whoever waits hangs up, or the network does.
        self.silent: set[str] = set()
        self.hang_up = asyncio.Event()
        # Answers given in the application's place, each once.
        self.refusals: list[httpx2.Response] = []
        # What a gateway answers by itself meanwhile, whatever it is asked.
        self.gateway: int | None = None
        # Whether the answers of empty claims come only after a completion was answered.
        self.late = False
        self.empty_claims = 0
        self.items: list[int] = []
        # How long each claim asked to wait.
        self.waits: list[int] = []
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()

    def loses(self, path: str) -> bool:
        """Tell whether this answer gets lost."""
        left = self.lost[path]
        self.lost[path] -= 1
        return left > 0


class NetworkTransport(httpx2.AsyncBaseTransport):
    """Passes requests on to the application, as far as the network lets them."""

    def __init__(self, network: Network, local: LocalOrchestrion) -> None:
        self._network = network
        self._local = local.raw_client()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        self._network.asked[path] += 1
        if path == CLAIM:
            self._network.waits.append(json.loads(await request.aread()).get("wait_seconds", 0))
        if self._network.cut:
            raise httpx2.ConnectError("the network is cut")
        if self._network.gateway is not None:
            page = httpx2.ByteStream(b"<h1>default backend</h1>")
            return httpx2.Response(self._network.gateway, stream=page)
        if self._network.refusals:
            return self._network.refusals.pop(0)
        if path == COMPLETE:
            self._network.items.append(len(json.loads(await request.aread())["items"]))
        answer = await self._local.send(request)
        self._network.answered[path] += 1
        if path == CLAIM and json.loads(answer.content).get("task", path) is None:
            self._network.empty_claims += 1
            while self._network.late and not self._network.answered[COMPLETE]:  # noqa: ASYNC110 - a counter
                await asyncio.sleep(LOOK_SECONDS)
        if path in self._network.silent:
            await self._network.hang_up.wait()
            raise httpx2.ReadError("the answer is lost")
        if self._network.loses(path):
            raise httpx2.ReadError("the answer is lost")
        stream = httpx2.ByteStream(answer.content)
        return httpx2.Response(answer.status_code, headers=answer.headers, stream=stream)


@contextmanager
def through(
    network: Network, worker: Worker, local: LocalOrchestrion, api_key: str | None = None
) -> Iterator[None]:
    """Have a worker talk to the application through a network."""
    with local.attached(worker):
        talking = partial(
            AsyncOrchestrion,
            local.url,
            api_key or local.api_key,
            max_retries=0,
            transport=NetworkTransport(network, local),
        )
        worker.connections = replace(worker.connections, talking=talking)
        yield
