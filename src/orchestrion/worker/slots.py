"""How many tasks may be held at once, shared among the types that are asked for."""

import asyncio
from collections.abc import Sequence
from typing import Final

TYPES_MAX: Final = 10
CLAIM_MAX: Final = 50


class Lane:
    """Types that are claimed together; alone if their attempts have a limit of their own."""

    def __init__(self, types: Sequence[str], limit: int | None = None) -> None:
        self.types = tuple(types)
        self.limit = limit
        self.taken = 0
        # After an empty answer one slot is enough to wait with.
        self.idle = False

    @property
    def room(self) -> int:
        """How many more of its tasks may be held."""
        return CLAIM_MAX if self.limit is None else min(CLAIM_MAX, self.limit - self.taken)


class Slots:
    """The slots of one worker; used in one event loop."""

    def __init__(self, total: int, lanes: Sequence[Lane]) -> None:
        self.free = total
        self._lanes = lanes
        self._asking: set[Lane] = set()
        self._given = asyncio.Event()

    async def take(self, lane: Lane) -> int:
        """Wait for free slots and take this lane's share of them; at least one."""
        self._asking.add(lane)
        try:
            while (count := self._share(lane)) < 1:
                self._given.clear()
                await self._given.wait()
        finally:
            self._asking.discard(lane)
        self.free -= count
        lane.taken += count
        return count

    def give(self, lane: Lane, count: int = 1) -> None:
        """Give slots back."""
        self.free += count
        lane.taken -= count
        self._given.set()

    def _share(self, lane: Lane) -> int:
        if lane.idle and len(self._lanes) > 1:
            return min(1, lane.room, self.free)
        asking = max(1, len(self._asking))
        return min(lane.room, -(-self.free // asking))


def lanes_of(limits: dict[str, int | None]) -> list[Lane]:
    """Sort types into lanes, given how many of each may be held at once."""
    free = [name for name, limit in limits.items() if limit is None]
    together = [Lane(free[at : at + TYPES_MAX]) for at in range(0, len(free), TYPES_MAX)]
    return together + [Lane([name], limit) for name, limit in limits.items() if limit is not None]
