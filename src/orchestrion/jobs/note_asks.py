"""Tells the other processes when workers last asked this one for each type."""

from typing import Final

from orchestrion.core.commands import NoteAsks
from orchestrion.engine.asked import Asked
from orchestrion.engine.writer import Writer
from orchestrion.jobs.sweep import AT_ONCE_MAX, sweep_all

NAME: Final = "note_asks"
EVERY_SECONDS: Final = 10.0
BATCHES_MAX: Final = 100


async def note_asks(writer: Writer, asked: Asked) -> None:
    """Save what was noted, in bounded batches; what could not be saved is saved next time."""
    for _ in range(BATCHES_MAX):
        noted = asked.unsaved(AT_ONCE_MAX)
        if not noted:
            return
        try:
            await sweep_all(
                writer, [NoteAsks(account_id=one.account_id, asks=one) for one in noted]
            )
        except BaseException:
            asked.put_back(noted)
            raise
