"""Makes ended leases visible: their tasks go back to pending, or to dead_letter."""

from typing import Final

from orchestrion.core.commands import ExpireLeases
from orchestrion.core.limits import EXPIRE_BATCH_MAX
from orchestrion.engine.ports import Reader
from orchestrion.engine.writer import Writer
from orchestrion.jobs.sweep import sweep

NAME: Final = "expire_leases"
EVERY_SECONDS: Final = 5.0
BATCHES_MAX: Final = 200


async def expire_leases(writer: Writer, reader: Reader) -> None:
    """Expire what is overdue, in bounded batches, until nothing is."""
    for _ in range(BATCHES_MAX):
        overdue = await reader.overdue(EXPIRE_BATCH_MAX)
        if overdue:
            await sweep(writer, ExpireLeases(tasks=tuple(overdue)))
        if len(overdue) < EXPIRE_BATCH_MAX:
            return
