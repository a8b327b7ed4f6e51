"""Whether a claim costs the same however much lies in the database."""

import time
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.conditions import Conditions
from benchmarks.embedded import Engine, engine, in_own_process, sqlite
from benchmarks.figures import Figure, Target
from benchmarks.filling import Account, Tasks, filled, many_pending
from orchestrion.store.sqlite.database import Place

FEW = 1_000
GROWTH_AT_MOST = 1.3
BASE = "few pending"
SECONDS_TO_US = 1e6


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """Medians of one round against one database, in seconds."""

    wall: float
    cpu: float


def measure(conditions: Conditions) -> list[Figure]:
    """Compare single claims, one caller, one commit each, the databases taking turns."""
    costs = in_own_process([conditions.cores.server], _measure, conditions)
    figures = [
        Figure(
            name=f"claim at {FEW:,} pending, latency",
            unit="µs",
            samples=[one.wall * SECONDS_TO_US for one in costs[BASE]],
        ),
        Figure(
            name=f"claim at {FEW:,} pending, CPU",
            unit="µs",
            samples=[one.cpu * SECONDS_TO_US for one in costs[BASE]],
        ),
    ]
    for name in costs:
        if name != BASE:
            figures += _growth(name, costs[BASE], costs[name])
    return figures


def _growth(name: str, base: list[Cost], other: list[Cost]) -> list[Figure]:
    target = Target(at_most=GROWTH_AT_MOST)
    pairs = list(zip(base, other, strict=True))
    return [
        Figure(
            name=f"{name}, latency",
            unit="ratio",
            samples=[high.wall / low.wall for low, high in pairs],
            target=target,
        ),
        Figure(
            name=f"{name}, CPU",
            unit="ratio",
            samples=[high.cpu / low.cpu for low, high in pairs],
            target=target,
        ),
    ]


async def _measure(conditions: Conditions) -> dict[str, list[Cost]]:
    effort = conditions.effort
    databases = _databases(conditions)
    costs: dict[str, list[Cost]] = {name: [] for name in databases}
    async with AsyncExitStack() as stack:
        engines = {
            name: await stack.enter_async_context(engine(sqlite(Place(path=path)), account))
            for name, (path, account) in databases.items()
        }
        for number in range(effort.claim_rounds + 1):
            for name, used in engines.items():
                cost = await _cost(used, effort.claims_per_round)
                # The first round fills the caches.
                if number:
                    costs[name].append(cost)
    return costs


async def _cost(used: Engine, claims: int) -> Cost:
    """Time claims alone; what each takes away is put back, so that the depth stays."""
    walls, cpus = [], []
    for _ in range(claims):
        wall, cpu = time.perf_counter(), time.process_time()
        task = await used.claim()
        cpus.append(time.process_time() - cpu)
        walls.append(time.perf_counter() - wall)
        await used.complete(task)
        await used.create()
    return Cost(wall=median(walls), cpu=median(cpus))


def _databases(conditions: Conditions) -> dict[str, tuple[Path, Account]]:
    many = conditions.effort.many_tasks
    few = Tasks(kind="pending", count=FEW)
    later = Tasks(kind="later", count=many, first=FEW)
    finished = Tasks(kind="finished", count=many, first=FEW)
    return {
        BASE: filled(conditions, "few", few),
        f"{many:,} pending": many_pending(conditions),
        f"and {many:,} later at top priority": filled(conditions, "later", few, later),
        f"and {many:,} finished": filled(conditions, "finished", few, finished),
    }
