"""Deletes what is past its time: finished tasks by their plan's retention, keys, minutes."""

from typing import Final

from orchestrion.core.clock import Clock
from orchestrion.core.commands import (
    PurgeCounts,
    PurgeFinished,
    PurgeIdempotencyKeys,
    PurgeMinutes,
)
from orchestrion.core.ids import AccountId
from orchestrion.core.instants import SECOND, Instant
from orchestrion.core.limits import IDEMPOTENCY_LIFE_SECONDS, PURGE_BATCH_MAX, TASK_MINUTES_SECONDS
from orchestrion.core.plans import Catalogue
from orchestrion.engine.ports import Reader
from orchestrion.engine.writer import Writer
from orchestrion.jobs.sweep import by_account, sweep, sweep_all

FINISHED: Final = "purge_finished"
KEYS: Final = "purge_idempotency_keys"
MINUTES: Final = "purge_task_minutes"
EVERY_SECONDS: Final = 60.0
BATCHES_MAX: Final = 100
ACCOUNTS_MAX: Final = 1_000


class Purge:
    """Finds candidates with reads, and has the writer delete those that are still past it."""

    def __init__(self, writer: Writer, reader: Reader, catalogue: Catalogue, clock: Clock) -> None:
        self._writer = writer
        self._reader = reader
        self._catalogue = catalogue
        self._clock = clock
        self._after = AccountId("")

    async def finished(self) -> None:
        """Go through accounts that have tasks that ended; go on from there the next time."""
        for _ in range(ACCOUNTS_MAX):
            account = await self._reader.account_with_ended(self._after)
            if account is None:
                self._after = AccountId("")
                return
            self._after = account.id
            cutoff = self._catalogue.retention_cutoff(account, self._clock.now())
            await self._finished_of(account.id, cutoff)

    async def idempotency_keys(self) -> None:
        """Forget keys whose seven days are over."""
        cutoff = Instant(self._clock.now() - IDEMPOTENCY_LIFE_SECONDS * SECOND)
        for _ in range(BATCHES_MAX):
            keys = await self._reader.idempotency_keys_before(cutoff, PURGE_BATCH_MAX)
            purges = [
                PurgeIdempotencyKeys(account_id=account_id, keys=theirs)
                for account_id, theirs in by_account(keys).items()
            ]
            if not await sweep_all(self._writer, purges):
                return

    async def minutes(self) -> None:
        """Forget what happened in minutes that no rate depends on any more."""
        cutoff = Instant(self._clock.now() - TASK_MINUTES_SECONDS * SECOND)
        for _ in range(BATCHES_MAX):
            found = await self._reader.minutes_before(cutoff, PURGE_BATCH_MAX)
            purges = [
                PurgeMinutes(account_id=account_id, minutes=theirs)
                for account_id, theirs in by_account(found).items()
            ]
            if not await sweep_all(self._writer, purges):
                return

    async def _finished_of(self, account_id: AccountId, cutoff: Instant) -> None:
        purged = 0
        for _ in range(BATCHES_MAX):
            found = await self._reader.ended_before(account_id, cutoff, PURGE_BATCH_MAX)
            if not found:
                break
            purge = PurgeFinished(account_id=account_id, task_ids=tuple(found))
            gone = await sweep(self._writer, purge)
            if not gone:
                break
            purged += gone
        if purged:
            await self._idle_types_of(account_id)

    async def _idle_types_of(self, account_id: AccountId) -> None:
        """Forget the counts of types whose last task is gone: only a purge leaves such types."""
        types = await self._reader.idle_types(account_id, PURGE_BATCH_MAX)
        if types:
            await sweep(self._writer, PurgeCounts(account_id=account_id, types=tuple(types)))
