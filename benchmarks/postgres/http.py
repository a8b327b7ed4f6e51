"""Whole task lives over HTTP on PostgreSQL, which shares the two cores with service and load."""

import asyncio

from benchmarks.conditions import Conditions
from benchmarks.figures import Figure, Target
from benchmarks.http import Aims, compared, whole_life
from benchmarks.postgres.server import cpu_seconds, new_account, server
from benchmarks.processes import floor, service_on

AIMS = Aims(ratio=Target(at_least=0.25))
REQUESTS = "orchestrion_request_seconds_count"


def measure(conditions: Conditions) -> list[Figure]:
    """Let floor and service take turns at 64 connections; then the service alone, at one."""
    core = conditions.cores.server
    with server() as database:
        url = database.url()
        account = asyncio.run(new_account(url))
        log = conditions.folder / "postgres-http.log"
        with service_on(url, log, core) as served, floor(core) as bare:
            turn = whole_life(conditions, account, served)
            before, requests = cpu_seconds(database), served.total(REQUESTS)
            figures = compared(conditions, turn, bare, AIMS)
            used, requests = cpu_seconds(database) - before, served.total(REQUESTS) - requests
    each = Figure(name="database, CPU per request", unit="µs", samples=[used / requests * 1e6])
    return [*figures, each]
