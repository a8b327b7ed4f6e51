"""Whole lives with fewer requests, on PostgreSQL."""

import asyncio

from benchmarks.batches import Aims, compared
from benchmarks.conditions import Conditions
from benchmarks.figures import Figure, Target
from benchmarks.postgres.server import new_account, server
from benchmarks.processes import service_on

AIMS = Aims(batches=7_000, with_next=Target(at_least=1.4))


def measure(conditions: Conditions) -> list[Figure]:
    """Measure beside a server of its own."""
    with server() as database:
        url = database.url()
        account = asyncio.run(new_account(url))
        log = conditions.folder / "postgres-batches.log"
        with service_on(url, log, conditions.cores.server) as served:
            return compared(conditions, account, served, AIMS)
