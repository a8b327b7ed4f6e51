"""What counting adds to a task's life: the same lives with counters and without, in turns."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Final
from unittest.mock import patch

import msgspec
from msgspec.structs import replace

from benchmarks.conditions import Conditions, Effort
from benchmarks.embedded import Engine, engine, in_own_process, sqlite
from benchmarks.engine import CALLERS, Span, span
from benchmarks.figures import Figure, Target
from benchmarks.filling import Account, new_account
from orchestrion.api.limits import Limiter
from orchestrion.core import quota
from orchestrion.core.account import Account as Counted
from orchestrion.core.account import Principal
from orchestrion.core.ids import KeyId
from orchestrion.core.instants import Instant
from orchestrion.core.operations import Allowance
from orchestrion.core.plans import SELF_HOSTED, Catalogue, RequestLimits
from orchestrion.core.task import Task
from orchestrion.core.view import View
from orchestrion.databases import Backend
from orchestrion.jobs import count_requests
from orchestrion.store.sqlite.database import Place

ADDED_AT_MOST: Final = 1.10
# Shorter than elsewhere, and more of them: what both have in common cancels out best in turns.
TURNS: Final = 4
MODES: Final = (("64 callers", CALLERS), ("1 caller", 1))
LIMITED: Final = replace(SELF_HOSTED, limits=RequestLimits())

Spans = dict[str, tuple[list[Span], list[Span]]]


class Counting(Engine, frozen=True, kw_only=True):
    """Lives that count what the API counts by key beside what the engine counts."""

    limiter: Limiter
    principal: Principal

    async def complete(self, task: Task) -> None:
        """Complete a task that was claimed, which the limit of mutations allows."""
        self.limiter.admit_key(Allowance.MUTATIONS, self.principal)
        await Engine.complete(self, task)


def measure(conditions: Conditions) -> list[Figure]:
    """Measure on SQLite."""
    both = {conditions.cores.server, conditions.cores.load}
    return figures(in_own_process(both, _measure, conditions))


async def _measure(conditions: Conditions) -> Spans:
    place = Place(path=conditions.folder / "counting.db")
    return await turns(conditions.effort, sqlite(place), new_account(place.path))


async def turns(effort: Effort, backend: Backend, account: Account) -> Spans:
    """Let lives that count and lives that do not take turns, those without first and last."""
    spans: Spans = {}
    async with engine(backend, account) as plain:
        async with counting(plain, backend) as counted:
            for name, callers in MODES:
                await span(counted, callers, effort.warm_up_seconds / 2)
                spans[name] = await _turns(effort, callers, plain, counted)
    return spans


async def _turns(
    effort: Effort, callers: int, plain: Engine, counted: Engine
) -> tuple[list[Span], list[Span]]:
    seconds = effort.engine_seconds / TURNS
    with uncounted():
        without = [await span(plain, callers, seconds)]
    with_them: list[Span] = []
    for _ in range(effort.rounds * TURNS):
        with_them.append(await span(counted, callers, seconds))
        with uncounted():
            without.append(await span(plain, callers, seconds))
    return with_them, without


@asynccontextmanager
async def counting(used: Engine, backend: Backend) -> AsyncIterator[Counting]:
    """Count by key as a server does, and have that saved each second."""
    limiter = Limiter(LIMITED, backend.clock)
    principal = Principal(
        account_id=used.account_id, key_id=KeyId("key_1"), plan="free", plan_expires_at=None
    )

    async def save() -> None:
        while True:
            await asyncio.sleep(count_requests.EVERY_SECONDS)
            await count_requests.count_requests(used.writer, limiter)

    saving = asyncio.create_task(save())
    try:
        yield Counting(
            writer=used.writer,
            mint=used.mint,
            account_id=used.account_id,
            limiter=limiter,
            principal=principal,
        )
    finally:
        saving.cancel()
        await asyncio.gather(saving, return_exceptions=True)


@contextmanager
def uncounted() -> Iterator[None]:
    """Let this process count nothing, and save no counter; what is left asks for the workers."""
    with (
        patch.multiple(
            quota,
            rolled=lambda account, _: account,
            created=lambda account: account,
            claimed=lambda account, _=1: account,
            creates=lambda *_: None,
            claims=lambda *_: None,
            may_create=lambda *_: None,
            may_claim=_room,
        ),
        patch.object(View, "put_account", lambda *_: None),
    ):
        yield


def _room(account: Counted, catalogue: Catalogue, leases: quota.Leases, now: Instant) -> None:
    assert leases.live < catalogue.in_force(account, now).max_workers


def figures(spans: Spans) -> list[Figure]:
    """Compare each turn with those around it that did not count."""
    return [
        one
        for name, (with_them, without) in spans.items()
        for one in (
            _ratio(f"{name}, CPU", with_them, without, lambda one: one.cpu / one.lives),
            _ratio(f"{name}, time", with_them, without, lambda one: one.wall / one.lives),
            _cpu(f"{name}, CPU per life cycle, counting", with_them),
            _cpu(f"{name}, CPU per life cycle, not counting", without),
        )
    ]


def _ratio(
    name: str, with_them: Sequence[Span], without: Sequence[Span], cost: Callable[[Span], float]
) -> Figure:
    return Figure(
        name=f"{name}: counting ÷ not counting",
        unit="ratio",
        samples=[
            2 * cost(one) / (cost(before) + cost(after))
            for one, before, after in zip(with_them, without, without[1:], strict=False)
        ],
        target=Target(at_most=ADDED_AT_MOST),
    )


def _cpu(name: str, spans: Sequence[Span]) -> Figure:
    return Figure(name=name, unit="µs", samples=[one.cpu / one.lives * 1e6 for one in spans])
