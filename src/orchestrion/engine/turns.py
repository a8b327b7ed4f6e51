"""Reads that many come for at once, as they begin to wait or have waited: they take turns."""

import asyncio
from types import TracebackType
from typing import Generic, TypeVar

from orchestrion.core.limits import WAIT_READS_MAX

Source = TypeVar("Source")


class Turns(Generic[Source]):
    """Lends the reader to so many at a time; a database refuses a crowd that comes at once."""

    def __init__(self, reader: Source, at_once_max: int = WAIT_READS_MAX) -> None:
        self._reader = reader
        self._free = asyncio.Semaphore(at_once_max)

    async def __aenter__(self) -> Source:
        await self._free.acquire()
        return self._reader

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._free.release()
