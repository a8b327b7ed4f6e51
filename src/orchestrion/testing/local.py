"""The real application in a test: clients of it, a clock to move, workers to run dry."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx2

from orchestrion.client.aio import AsyncOrchestrion
from orchestrion.client.sync import Orchestrion
from orchestrion.testing.clients import Access, AsyncLocalClient, LocalClient
from orchestrion.testing.clock import LocalClock, StoppedTime, instant_of
from orchestrion.testing.hosting import Hosting
from orchestrion.testing.transport import LocalTransport
from orchestrion.worker import Worker
from orchestrion.worker.connections import Connections

URL: Final = "http://orchestrion.test"
ADDRESS: Final = "127.0.0.1"
# Registrations are limited by address, so each comes from an address of its own.
ADDRESSES: Final = "198.18.{}.{}"


class LocalOrchestrion:
    """The application on an empty database in a temporary file: `with` or `async with` it.

    Nothing listens: requests reach it within the process, from any thread and any event loop, and
    it runs on a thread of its own. Its clock stands still until `clock.advance`. Who waits for a
    task or a result waits in vain once the clock has passed the end of the wait, and in any case
    after a second for each 25 s asked for.

    `client` and `sync_client` have the key of one account, which `api_key` shows.
    """

    client: AsyncOrchestrion
    sync_client: Orchestrion
    clock: LocalClock
    api_key: str

    def __init__(self, *, start: datetime | None = None) -> None:
        # `start`: the first moment, aware; the present unless given.
        self.url = URL
        self._time = StoppedTime(instant_of(start or datetime.now(UTC)))
        self._addresses = count(1)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            folder = opening.enter_context(tempfile.TemporaryDirectory(prefix="orchestrion-"))
            self._hosting = Hosting(Path(folder) / "orchestrion.db", self._time)
            self._hosting.start()
            opening.callback(self._hosting.stop)
            self._access = Access(self._hosting, self._time, ADDRESS)
            self.clock = LocalClock(self._time, self._hosting.catch_up)
            self.api_key = self.register()
            self.sync_client = opening.enter_context(self.connect_sync())
            self.client = self.connect()
            # Its keeper's thread ends; of its transport nothing is left to close.
            opening.callback(self.client.keeper.close)
            self._open = opening.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open.close()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.client.close()
        self._open.close()

    def register(self) -> str:
        """Make one more account; gives its key."""
        address = ADDRESSES.format(*divmod(next(self._addresses), 256))
        with httpx2.Client(transport=LocalTransport(self._hosting, address)) as client:
            answer = client.post(f"{self.url}/v1/keys/register")
        assert answer.status_code == httpx2.codes.CREATED, answer.text
        return str(json.loads(answer.content)["apiKey"])

    def connect(self, api_key: str | None = None) -> AsyncOrchestrion:
        """Make a client with a key, that of `client` unless given."""
        return AsyncLocalClient(self._access, self.url, api_key or self.api_key)

    def connect_sync(self, api_key: str | None = None) -> Orchestrion:
        """Make a client for code that awaits nothing."""
        return LocalClient(self._access, self.url, api_key or self.api_key)

    def raw_client(self) -> httpx2.AsyncClient:
        """Make a plain HTTP client of the application, with the key of `client`."""
        return httpx2.AsyncClient(
            transport=self._access.transport,
            base_url=self.url,
            headers={"Authorization": f"Bearer {self.api_key}"},
        )

    async def drain(self, worker: Worker) -> None:
        """Run a worker until there is nothing for it to claim, and nothing it still works on.

        Its startup and shutdown hooks run too. Tasks that are scheduled for later stay: advance
        the clock, and drain again.
        """
        with self.attached(worker):
            await worker.drain()

    @contextmanager
    def attached(self, worker: Worker) -> Iterator[None]:
        """Have a worker reach this application and no other: `await worker.serve()` within."""
        before = worker.connections
        reach = (self._access, self.url, self.api_key)
        worker.connections = Connections(
            talking=partial(AsyncLocalClient, *reach, max_retries=0),
            beating=partial(LocalClient, *reach, max_retries=0),
            clock=self._time.seconds,
        )
        try:
            yield
        finally:
            worker.connections = before
