"""Requests that wait, on PostgreSQL: one server, two of them, and a thousand idle ones."""

import asyncio

from benchmarks.conditions import Conditions
from benchmarks.figures import Figure
from benchmarks.postgres.server import new_account, server
from benchmarks.processes import service_on
from benchmarks.waiting import handed_over, idle, idle_on_tasks


def measure(conditions: Conditions) -> list[Figure]:
    """Create and wait on one server; then on two, which hear of each other by the database."""
    core = conditions.cores.server
    with server() as database:
        url = database.url()
        account = asyncio.run(new_account(url))
        logs = [conditions.folder / f"postgres-waiting-{number}.log" for number in (1, 2)]
        with service_on(url, logs[0], core) as first, service_on(url, logs[1], core) as second:
            return [
                *handed_over("", conditions, (first, first), account.key),
                *handed_over(" by another server", conditions, (first, second), account.key),
                *idle(conditions, second, account.key),
                *idle_on_tasks(conditions, first, account.key),
            ]
