"""Lets many who want the same done at the same time have it done once; must not keep results."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")


class Joining(Generic[Key, Result]):
    """Runs one task for each key at a time; from the event loop's thread only."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._running: dict[Key, asyncio.Task[Result]] = {}

    async def run(
        self, key: Key, begin: Callable[[], Coroutine[object, object, Result]]
    ) -> tuple[Result, bool]:
        """Give what comes of it, and whether it was begun for this very caller.

        Raises what it raises, to all who wait.
        """
        running = self._running.get(key)
        first = running is None
        if running is None:
            running = asyncio.create_task(begin(), name=self._name)
            self._running[key] = running
            # First of all callbacks: whoever comes once it has ended begins anew.
            running.add_done_callback(lambda _: self._running.pop(key))
        # Whoever gives up waiting must not take it from the others.
        return await asyncio.shield(running), first
