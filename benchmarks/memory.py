"""What the server keeps in memory while its file holds many tasks."""

from benchmarks import wrk
from benchmarks.conditions import Conditions
from benchmarks.figures import Figure, Target
from benchmarks.filling import many_pending
from benchmarks.processes import service

MIB_AT_MOST = 150


def measure(conditions: Conditions) -> list[Figure]:
    """Have claims, creates and lists served, then look."""
    effort, cores = conditions.effort, conditions.cores
    database, account = many_pending(conditions)
    with service(database, cores.server) as served:
        fresh = served.memory_mib("VmRSS")
        load = wrk.Load(
            script="mixed",
            port=served.port,
            seconds=effort.seconds,
            core=cores.load,
            variables={"BENCH_KEY": account.key},
        )
        rounds = [wrk.run(load) for _ in range(effort.phase_rounds)]
        resident, peak = served.memory_mib("VmRSS"), served.memory_mib("VmHWM")
    trouble = "; ".join(one.trouble for one in rounds if one.trouble)
    requests = sum(one.requests for one in rounds)
    return [
        Figure(
            name=f"resident with {effort.many_tasks:,} tasks",
            unit="MiB",
            samples=[resident],
            target=Target(at_most=MIB_AT_MOST),
            note=f"after {requests:,} claims, creates and lists over 64 connections",
            spoiled=trouble,
        ),
        Figure(name="highest while serving", unit="MiB", samples=[peak]),
        Figure(name="before the first request", unit="MiB", samples=[fresh]),
    ]
