"""The async client made to block, so that one test speaks of both clients."""

import inspect
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any

from orchestrion.client.aio import AsyncOrchestrion
from orchestrion.client.aio_tasks import AsyncKeys, AsyncPlanDesk, AsyncTasks
from orchestrion.client.leases import AsyncClaimBlock, Lease
from tests.client.application import Loop

_PARTS = (AsyncTasks, AsyncKeys, AsyncPlanDesk)


class Blocking:
    """Gives what the async client gives, waiting for it on a loop of its own."""

    def __init__(self, loop: Loop, part: object) -> None:
        self._loop = loop
        self._part = part

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the client gives
        found = getattr(self._part, name)
        if isinstance(found, _PARTS):
            return Blocking(self._loop, found)
        return self._blocking(found) if inspect.ismethod(found) else found

    def __setattr__(self, name: str, value: object) -> None:
        if name.startswith("_"):
            super().__setattr__(name, value)
        else:
            setattr(self._part, name, value)

    def __repr__(self) -> str:
        return repr(self._part)

    def _blocking(self, method: Any) -> Any:  # noqa: ANN401 - whatever the client gives
        def call(*args: object, **kwargs: object) -> Any:  # noqa: ANN401 - the same
            made = method(*args, **kwargs)
            if isinstance(made, AsyncClaimBlock):
                return BlockingClaim(self._loop, made)
            if isinstance(made, AsyncIterator):
                return iter(self._loop.do(_all(made)))
            return self._loop.do(made) if inspect.iscoroutine(made) else made

        return call


class BlockingClaim:
    """A claim of the async client, for `with`."""

    def __init__(self, loop: Loop, block: AsyncClaimBlock) -> None:
        self._loop = loop
        self._block = block

    def __enter__(self) -> Lease | None:
        return self._loop.do(self._block.__aenter__())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._loop.do(self._block.__aexit__(kind, error, traceback))


def opened(loop: Loop, **options: Any) -> Blocking:  # noqa: ANN401 - arguments of the client
    """Open an async client on a loop."""

    async def make() -> AsyncOrchestrion:
        return AsyncOrchestrion(**options)

    return Blocking(loop, loop.do(make()))


async def _all(items: AsyncIterator[object]) -> list[object]:
    return [item async for item in items]
