"""The numbers of accounts, read from the database every few seconds at most, whoever asks."""

import asyncio
from collections import OrderedDict

import msgspec

from orchestrion.core.clock import Clock
from orchestrion.core.ids import AccountId
from orchestrion.core.limits import STATS_ACCOUNTS_MAX, STATS_SECONDS
from orchestrion.core.stats import ROWS_READ_MAX, Facts, Stats, recent_minutes, shown, stats
from orchestrion.core.tally import ALL_TYPES
from orchestrion.engine.ports import Reader


class _Snapshot(msgspec.Struct, frozen=True):
    """What was read, or is just being read, and when that began."""

    began: float
    reading: asyncio.Task[Stats]


class Statistics:
    """Remembers the numbers of the accounts that asked last.

    Whoever asks while they are read gets the same ones, and leaving stops nobody else.
    """

    def __init__(
        self, reader: Reader, clock: Clock, accounts_max: int = STATS_ACCOUNTS_MAX
    ) -> None:
        self._reader = reader
        self._clock = clock
        self._accounts_max = accounts_max
        self._snapshots: OrderedDict[AccountId, _Snapshot] = OrderedDict()
        # Those that nobody waits for any more included.
        self._reading: set[asyncio.Task[Stats]] = set()

    async def of(self, account_id: AccountId) -> Stats:
        """Give an account's numbers, at most so many seconds old. Raises Unavailable."""
        found = self._snapshots.get(account_id)
        if found is None or self._stale(found):
            found = self._begin(account_id)
        self._snapshots.move_to_end(account_id)
        return await asyncio.shield(found.reading)

    async def stop(self) -> None:
        """Let what is being read come to its end."""
        await asyncio.gather(*self._reading, return_exceptions=True)

    def _stale(self, found: _Snapshot) -> bool:
        if not found.reading.done():
            return False
        if found.reading.cancelled() or found.reading.exception() is not None:
            return True
        return self._clock.monotonic() - found.began >= STATS_SECONDS

    def _begin(self, account_id: AccountId) -> _Snapshot:
        reading = asyncio.create_task(_read(self._reader, account_id), name="statistics")
        self._reading.add(reading)
        reading.add_done_callback(self._ended)
        found = _Snapshot(self._clock.monotonic(), reading)
        self._snapshots[account_id] = found
        if len(self._snapshots) > self._accounts_max:
            self._snapshots.popitem(last=False)
        return found

    def _ended(self, reading: asyncio.Task[Stats]) -> None:
        self._reading.discard(reading)
        if not reading.cancelled():
            # Whoever waits is told of it; there may be nobody.
            reading.exception()


async def _read(reader: Reader, account_id: AccountId) -> Stats:
    standing = await reader.task_counts(account_id, ROWS_READ_MAX)
    chosen = shown(standing)
    minutes = await reader.task_minutes(
        account_id, (ALL_TYPES, *chosen.types), recent_minutes(standing.now)
    )
    # What of these types can be claimed is sought with as many probes as they have priorities.
    waiting = [
        (account_id, type_)
        for type_ in chosen.types
        if standing.by_type[type_].pending or standing.by_type[type_].claimed
    ]
    due = await reader.next_due(waiting)
    leases = await reader.leases(account_id, 1)
    return stats(
        Facts(
            standing=standing,
            shown=chosen,
            minutes=minutes,
            due_from={type_: at for (_, type_), at in due.items()},
            next_lease_ends_at=leases.first_end,
        )
    )
