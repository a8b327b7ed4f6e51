"""Has a job's command carried out, or says that it was not."""

from orchestrion.core.commands import Job
from orchestrion.core.faults import Unavailable
from orchestrion.core.outcomes import Swept
from orchestrion.engine.writer import Writer


async def sweep(writer: Writer, command: Job) -> int:
    """Submit a command and give how many rows it changed.

    Raises Unavailable where the writer turns it away, so that the run counts as failed.
    """
    outcome = await writer.submit(command)
    if not isinstance(outcome, Swept):
        message = f"{type(command).__name__} was turned away"
        raise Unavailable(message)
    return outcome.count
