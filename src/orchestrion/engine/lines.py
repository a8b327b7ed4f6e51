"""Who waits for a task of a type, in the order they came."""

import asyncio
import heapq
from collections.abc import Sequence

from orchestrion.core.commands import ClaimNext
from orchestrion.core.instants import Instant
from orchestrion.core.outcomes import Outcome
from orchestrion.core.view import TypeKey


class Waiter:
    """A claim that waits, in one line per type, and keeps its place in each until it is answered.

    `attempt` is its present claim at the writer; while there is none it rests.
    """

    __slots__ = (
        "arrival",
        "asks_for",
        "attempt",
        "command",
        "found_nothing",
        "future",
        "last",
        "lines",
        "rested_until",
        "sure",
    )

    def __init__(self, arrival: int, command: ClaimNext, lines: Sequence["Line"]) -> None:
        self.arrival = arrival
        self.command = command
        self.lines = lines
        self.future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.attempt: asyncio.Future[Outcome] | None = None
        # The line that sent it because a task had come there, if one did.
        self.sure: Line | None = None
        # Whoever had just come when it was sent, if that is why; that may be itself.
        self.asks_for: Waiter | None = None
        # Whether it asked and there was nothing, and whether what it hears next is its answer.
        self.found_nothing = False
        self.last = False
        # When it last began to ask, in seconds of the clock.
        self.rested_until = 0.0

    @property
    def resting(self) -> bool:
        """Whether it may be sent to ask."""
        return self.attempt is None and not self.future.done()

    @property
    def answered(self) -> bool:
        """Whether its claim has come to something that it has not heard yet."""
        return self.attempt is not None and self.attempt.done()

    @property
    def keyed(self) -> bool:
        """Whether another request may have claimed in its name."""
        return self.command.lease.key is not None

    def __lt__(self, other: "Waiter") -> bool:
        return self.arrival < other.arrival


class Line:
    """The waiters of one type of an account."""

    __slots__ = ("_listed", "_resting", "asking", "due_at", "key", "known", "length", "missed")

    def __init__(self, key: TypeKey) -> None:
        self.key = key
        self.length = 0
        # How many of them are asking just now, and how many tasks came that nobody was sent for.
        self.asking = 0
        self.missed = 0
        # When the next task can be claimed, as far as is known; `known` once it was looked up.
        self.due_at: Instant | None = None
        self.known = False
        # Those that rest, and some that no longer do.
        self._resting: list[Waiter] = []
        self._listed: set[Waiter] = set()

    def rest(self, waiter: Waiter) -> None:
        """Note that a waiter may be sent to ask."""
        if waiter not in self._listed:
            self._listed.add(waiter)
            heapq.heappush(self._resting, waiter)

    def next_resting(self) -> Waiter | None:
        """Take the first waiter that rests; it must be sent to ask."""
        while self._resting:
            waiter = heapq.heappop(self._resting)
            self._listed.discard(waiter)
            if waiter.resting:
                return waiter
        return None
