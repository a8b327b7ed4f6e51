"""What counting adds to a task's life on PostgreSQL."""

import asyncio

from benchmarks.conditions import Conditions
from benchmarks.counting import Measured, figures, turns
from benchmarks.embedded import in_own_process
from benchmarks.figures import Figure
from benchmarks.postgres.engine import Given
from benchmarks.postgres.server import new_account, opened, server


def measure(conditions: Conditions) -> list[Figure]:
    """Measure as on SQLite."""
    both = {conditions.cores.server, conditions.cores.load}
    with server() as database:
        url = database.url()
        given = Given(conditions=conditions, url=url, accounts=(asyncio.run(new_account(url)),))
        return figures(in_own_process(both, _measure, given))


async def _measure(given: Given) -> Measured:
    return await turns(given.conditions.effort, await opened(given.url), given.accounts[0])
