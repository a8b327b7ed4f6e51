"""The real application in a test: clients of it, a clock to move, workers to run dry."""

import json
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx2

from orchestrion.client.aio import AsyncOrchestrion
from orchestrion.client.sync import Orchestrion
from orchestrion.testing.clock import LocalClock, StoppedTime, instant_of
from orchestrion.testing.hosting import Hosting
from orchestrion.testing.transport import AsyncLocalTransport, LocalTransport

URL: Final = "http://orchestrion.test"
# Registrations are limited by address, so each comes from an address of its own.
ADDRESSES: Final = "198.18.{}.{}"


class LocalOrchestrion:
    """The application on an empty database in a temporary file, as a (sync or async) context.

    Nothing listens: requests reach it within the process, from any thread and any event loop, and
    it runs on a thread of its own. Its clock stands still until `clock.advance`. Who waits for a
    task or a result waits in test time: until the clock has passed the end, and at most a second
    per 50 s asked for.

    `client` and `sync_client` have the key of one account, which `api_key` shows.
    """

    def __init__(self, *, start: datetime | None = None) -> None:
        # `start`: the first moment, aware; the present unless given.
        self.url = URL
        self._time = StoppedTime(instant_of(start or datetime.now(UTC)))
        self._open = ExitStack()
        self._addresses = count(1)

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            folder = opening.enter_context(tempfile.TemporaryDirectory(prefix="orchestrion-"))
            self._hosting = Hosting(Path(folder) / "orchestrion.db", self._time)
            self._hosting.start()
            opening.callback(self._hosting.stop)
            self.clock = LocalClock(self._time, self._hosting.catch_up)
            self.transport = AsyncLocalTransport(self._hosting, "127.0.0.1")
            self.sync_transport = LocalTransport(self._hosting, "127.0.0.1")
            self.api_key = self.register()
            self.client = self.connect()
            self.sync_client = opening.enter_context(self.connect_sync())
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
        number = next(self._addresses)
        address = ADDRESSES.format(*divmod(number, 256))
        with httpx2.Client(transport=LocalTransport(self._hosting, address)) as client:
            answer = client.post(f"{self.url}/v1/keys/register")
        assert answer.status_code == httpx2.codes.CREATED, answer.text
        return str(json.loads(answer.content)["apiKey"])

    def connect(self, api_key: str | None = None) -> AsyncOrchestrion:
        """Make a client with a key, `api_key` of this object unless given."""
        return AsyncOrchestrion(self.url, api_key or self.api_key, transport=self.transport)

    def connect_sync(self, api_key: str | None = None) -> Orchestrion:
        """Make a client for code that awaits nothing."""
        return Orchestrion(self.url, api_key or self.api_key, transport=self.sync_transport)
