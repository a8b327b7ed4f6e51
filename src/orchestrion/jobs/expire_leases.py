"""Makes ended leases visible: their tasks go back to pending, or to dead_letter."""

from typing import Final

from orchestrion.core.commands import ExpireLeases
from orchestrion.core.limits import EXPIRE_BATCH_MAX
from orchestrion.engine.ports import Reader
from orchestrion.engine.writer import Writer
from orchestrion.jobs.sweep import by_account, sweep_all

NAME: Final = "expire_leases"
EVERY_SECONDS: Final = 5.0
BATCHES_MAX: Final = 200


async def expire_leases(writer: Writer, reader: Reader) -> None:
    """Expire what is overdue, in bounded batches, until nothing is."""
    for _ in range(BATCHES_MAX):
        overdue = await reader.overdue(EXPIRE_BATCH_MAX)
        accounts = by_account(overdue)
        await sweep_all(
            writer,
            [ExpireLeases(account_id=one, task_ids=ids) for one, ids in accounts.items()],
        )
        if len(overdue) < EXPIRE_BATCH_MAX:
            return
