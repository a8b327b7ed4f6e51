"""Requests that wait, and the keys they showed: revoked meanwhile, a key is refused."""

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from orchestrion.api.auth import Authenticator
from orchestrion.api.http import Request
from orchestrion.core.outcomes import Rejection
from orchestrion.engine.ports import Observer

# Together with what the authenticator remembers, within the 5 s a revoked key may still be used.
LOOK_SECONDS: Final = 1.0

Answer = TypeVar("Answer")


class _Waiting:
    """One request that waits, in its own task."""

    __slots__ = ("refused", "task")

    def __init__(self, task: asyncio.Task[object]) -> None:
        self.task = task
        self.refused: Rejection | None = None

    def refuse(self, rejection: Rejection) -> None:
        self.refused = rejection
        self.task.cancel()


class KeyWatch:
    """Ends the waits of keys that are good no more."""

    def __init__(self, authenticator: Authenticator, observer: Observer) -> None:
        self._authenticator = authenticator
        self._observer = observer
        self._waiting: dict[bytes, set[_Waiting]] = {}

    async def guard(self, request: Request, answer: Awaitable[Answer]) -> Answer | Rejection:
        """Await an answer for as long as the key of the request is good.

        The wait is cancelled when it is not, as if its caller had left.
        """
        task = asyncio.current_task()
        assert task is not None, "every request is answered in a task"
        authorization, waiting = request.headers[b"authorization"], _Waiting(task)
        together = self._waiting.setdefault(authorization, set())
        together.add(waiting)
        try:
            return await answer
        except asyncio.CancelledError:
            # Its caller may have left in the same moment; then that is what counts.
            if waiting.refused is None or task.uncancel():
                raise
            return waiting.refused
        finally:
            together.discard(waiting)
            if not together:
                del self._waiting[authorization]

    async def look(self) -> None:
        """Refuse whoever waits with a key that has been revoked."""
        for authorization in list(self._waiting):
            if self._authenticator.known(authorization) is None:
                await self._ask(authorization)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()

    async def _ask(self, authorization: bytes) -> None:
        try:
            found = await self._authenticator.principal(authorization)
        except Exception as error:  # noqa: BLE001 - the next look makes up for it
            self._observer.fault("key_watch_failed", "", error)
            return
        if isinstance(found, Rejection):
            for waiting in self._waiting.get(authorization, ()):
                waiting.refuse(found)
