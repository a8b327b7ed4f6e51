"""A few read-only connections, each with a thread of its own, and a bound on who waits for one."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import apsw

from orchestrion.core.faults import Crowded, Unavailable
from orchestrion.store.sqlite.database import Place, open_reader

R = TypeVar("R")
Read = Callable[[apsw.Connection], R]


class ReadPool:
    """Runs reads; raises Crowded when too many wait, Unavailable if the file cannot be read."""

    def __init__(self, place: Place, readers: int, waiting_max: int) -> None:
        self._connections = [open_reader(place) for _ in range(readers)]
        self._free = list(self._connections)
        self._waiting = 0
        self._waiting_max = waiting_max
        self._threads = ThreadPoolExecutor(max_workers=readers, thread_name_prefix="reader")

    async def run(self, read: Read[R]) -> R:
        """Run one read in a thread."""
        if self._waiting >= self._waiting_max:
            raise Crowded("too many reads are waiting")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._read, read)
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """Close the connections once their reads are done."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._threads.shutdown)
        for connection in self._connections:
            connection.close()

    def _read(self, read: Read[R]) -> R:
        # As many connections as threads, so that one is always free here.
        connection = self._free.pop()
        try:
            return read(connection)
        except apsw.Error as error:
            message = f"the database cannot be read: {error}"
            raise Unavailable(message) from error
        finally:
            self._free.append(connection)
