"""Has a job's commands carried out, or says that they were not."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

from orchestrion.core.commands import Sweep
from orchestrion.core.faults import Unavailable
from orchestrion.core.ids import AccountId
from orchestrion.core.outcomes import Swept
from orchestrion.engine.writer import Writer

# Commands of a job that wait in the writer's queue at a time.
AT_ONCE_MAX: Final = 64

Name = TypeVar("Name")


def by_account(pairs: Iterable[tuple[AccountId, Name]]) -> dict[AccountId, tuple[Name, ...]]:
    """Gather what belongs to each account, in the order it was found."""
    found: dict[AccountId, list[Name]] = {}
    for account_id, name in pairs:
        found.setdefault(account_id, []).append(name)
    return {account_id: tuple(names) for account_id, names in found.items()}


async def sweep_all(writer: Writer, commands: Sequence[Sweep]) -> int:
    """Submit commands, a bounded number together, and give how many rows they changed.

    Whatever breaks for one account spares the others; the first fault is raised in the end.
    """
    count = 0
    faults: list[BaseException] = []
    for first in range(0, len(commands), AT_ONCE_MAX):
        together = [sweep(writer, one) for one in commands[first : first + AT_ONCE_MAX]]
        for result in await asyncio.gather(*together, return_exceptions=True):
            if isinstance(result, BaseException):
                faults.append(result)
            else:
                count += result
    if faults:
        raise faults[0]
    return count


async def sweep(writer: Writer, command: Sweep) -> int:
    """Submit a command and give how many rows it changed.

    Raises Unavailable where the writer turns it away, so that the run counts as failed.
    """
    outcome = await writer.submit(command)
    if not isinstance(outcome, Swept):
        message = f"{type(command).__name__} was turned away"
        raise Unavailable(message)
    return outcome.count
