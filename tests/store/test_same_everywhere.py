"""Whatever is asked of it, every kind of database answers the same and keeps the same rows."""

from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from orchestrion.core.account import Account
from orchestrion.core.commands import Command
from orchestrion.core.outcomes import Outcome
from orchestrion.core.plans import SELF_HOSTED, Catalogue
from orchestrion.core.stats import Counts, Happened
from orchestrion.core.task import Task
from tests.databases import KINDS, Database, Databases, add_accounts, add_tasks
from tests.engine.engines import EngineOptions, running_engine
from tests.factories import ACCOUNT, NOW, OTHER_ACCOUNT_ID, SMALL, a_plan, an_account
from tests.unit.mixtures import some_commands, some_tasks

WAVES = 4
SLOW_SEEDS = [pytest.param(seed, marks=pytest.mark.slow) for seed in range(6, 24)]
TABLES: dict[str, tuple[str, ...]] = {
    "tasks": (*Task.__struct_fields__, "due_at"),
    "accounts": Account.__struct_fields__,
    "idempotency_keys": ("account_id", "key", "request_digest", "created_at", "first"),
    "api_keys": ("id", "account_id", "hash", "created_at", "revoked_at"),
    "task_counts": ("account_id", "type", *Counts.__struct_fields__),
    "task_minutes": ("account_id", "minute_at", "type", *Happened.__struct_fields__),
    "request_counts": ("account_id", "key_id", "kind", "window_at", "count"),
}
# Where the limits of plans are far away, where they are close, and where workers are few.
FEW_WORKERS = Catalogue(
    plans={
        "free": a_plan(
            max_workers=3, claims_per_hour=10**6, creates_per_hour=10**6, tasks_per_cycle=10**6
        )
    }
)
CATALOGUES = (SELF_HOSTED, SMALL, FEW_WORKERS)


def rows(database: Database, table: str) -> list[tuple[Any, ...]]:
    """Read a table in an order that is the same everywhere."""
    return sorted(database.fetch(f"select {', '.join(TABLES[table])} from {table}"), key=repr)


def told(outcome: Outcome | BaseException) -> str:
    """Say what a caller is told; the words of a fault are each database's own."""
    return type(outcome).__name__ if isinstance(outcome, BaseException) else repr(outcome)


def keyed(random: Random, command: Command) -> Command:
    """Give some creates an idempotency key, so that they meet."""
    if not hasattr(command, "idempotency_key") or random.random() < 0.5:
        return command
    key, digest = random.choice(["k1", "k2", "k3"]), random.choice([b"1", b"1", b"2"])
    return replace(command, idempotency_key=key, request_digest=digest)


async def history(database: Database, seed: int) -> list[object]:
    """Lead a database through what the seed says; gives all that was told and is kept."""
    random = Random(seed)
    database.clock.set(NOW)
    tasks = some_tasks(random)
    add_accounts(database, ACCOUNT, an_account(id=OTHER_ACCOUNT_ID))
    add_tasks(database, tasks)
    written: list[object] = []
    options = EngineOptions(catalogue=CATALOGUES[seed % len(CATALOGUES)])
    async with running_engine(database, options) as engine:
        for _ in range(WAVES):
            commands = [keyed(random, one) for one in some_commands(random, tasks)]
            written.append(list(map(told, await engine.faults(commands))))
            written.append({table: rows(database, table) for table in TABLES})
            engine.clock.advance(random.choice([0, 1, 60, 400]))
    return written


@pytest.mark.parametrize("seed", [*range(6), *SLOW_SEEDS])
async def test_every_database_tells_and_keeps_the_same(seed: int, databases: Databases) -> None:
    histories = []
    for kind in KINDS:
        with databases.fresh(kind) as database:
            histories.append(await history(database, seed))

    first, *others = histories
    for other in others:
        for expected, found in zip(first, other, strict=True):
            assert found == expected
