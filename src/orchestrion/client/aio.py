"""The client for asyncio."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self, TypeVar

import httpx2

from orchestrion.client import insight
from orchestrion.client.aio_tasks import AsyncKeys, AsyncPlanDesk, AsyncTasks
from orchestrion.client.batches import Outcome, beats
from orchestrion.client.call import Call
from orchestrion.client.calls import Claiming
from orchestrion.client.config import find_target
from orchestrion.client.exchange import Exchange, Heard, Pause, Step, Steps
from orchestrion.client.keeping import Keeper
from orchestrion.client.leases import AsyncClaimBlock
from orchestrion.client.link import Setup, answer_of, trouble_of
from orchestrion.client.log import configure_log
from orchestrion.client.retrying import Limits, RetryNote
from orchestrion.client.sync import Orchestrion
from orchestrion.client.task import Held

T = TypeVar("T")


class AsyncOrchestrion:
    """A connection to a server, for one event loop.

    `url` and `api_key`: argument, else ORCHESTRION_URL and ORCHESTRION_API_KEY, else the profile
    in ~/.config/orchestrion/config.toml, else http://127.0.0.1:8080. `timeout` in seconds for
    one answer; `max_retries` repeats within `retry_seconds` after the first failure, told to
    `on_retry` before each pause. Raises ConfigurationError.
    """

    def __init__(  # noqa: PLR0913 - a call reads better than a struct
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float = 10.0,
        max_retries: int = 5,
        retry_seconds: float = 60.0,
        on_retry: Callable[[RetryNote], None] | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        configure_log()
        target = find_target(url, api_key)
        limits = Limits(max_retries=max_retries, retry_seconds=retry_seconds)
        self.url = target.url
        self.exchange = Exchange(limits, random.random, time.monotonic, on_retry)
        self._setup = Setup(target=target, timeout=timeout)
        self._http = httpx2.AsyncClient(**self._setup.options(), transport=transport)
        self._own_transport = transport is not None
        self._beside: Orchestrion | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.keeper = Keeper(self.beat)
        self.tasks = AsyncTasks(self)
        self.keys = AsyncKeys(self)
        self.plan = AsyncPlanDesk(self)

    def claim(self, *types: str, worker_id: str | None = None, wait: float = 0) -> AsyncClaimBlock:
        """Claim the next task of the types for an `async with` block, which gets None without one.

        `wait` in seconds, as long as you like. Heartbeats go out in the background. Leaving
        completes the task with `lease.result`; an exception fails it with "Type: message" and
        goes on; an interrupt releases it. Raises LeaseExpired on leaving if the lease was lost.
        """
        return AsyncClaimBlock(self, Claiming(types=types, worker_id=worker_id), wait)

    async def stats(self) -> insight.Stats:
        """Read the numbers of the account: counts, rates, oldest tasks."""
        return await self.call(insight.stats())

    async def health(self) -> insight.Health:
        """Read whether the server serves; no key is needed for it."""
        return await self.call(insight.health())

    async def call(self, call: Call[T]) -> T:
        """Send a request until it is answered or given up, and give what it answers."""
        return await self.run(self.exchange.call(call))

    async def run(self, steps: Steps[T]) -> T:
        """Take steps to their end, and give what they come to."""
        self._loop = asyncio.get_running_loop()
        try:
            step = next(steps)
            while True:
                try:
                    heard = await self._take(step)
                except BaseException as error:  # noqa: BLE001 - the steps decide what is to be undone
                    step = steps.throw(error)
                else:
                    step = steps.send(heard)
        except StopIteration as end:
            result: T = end.value
            return result

    def beat(self, leases: Sequence[Held]) -> list[Outcome]:
        """Renew 1 to 100 leases, once, from another thread: a blocked loop does not stop it."""
        steps = self.exchange.once(beats(leases))
        if self._own_transport:
            # It serves the loop it was made for, and nothing else.
            assert self._loop is not None, "leases are claimed on the loop"
            sending = asyncio.run_coroutine_threadsafe(self.run(steps), self._loop)
            return sending.result(self._setup.timeout)
        if self._beside is None:
            target = self._setup.target
            self._beside = Orchestrion(target.url, target.api_key, timeout=self._setup.timeout)
        return self._beside.run(steps)

    async def close(self) -> None:
        """Stop heartbeats and let go of the connections."""
        await asyncio.to_thread(self.keeper.close)
        if self._beside is not None:
            self._beside.close()
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    async def _take(self, step: Step) -> Heard:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        began = time.monotonic()
        try:
            return answer_of(step, await self._http.request(**self._setup.request(step)), began)
        except httpx2.RequestError as error:
            return trouble_of(error)
