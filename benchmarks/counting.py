"""What counting adds to a task's life: the same lives with counters and without, in turns."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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
from orchestrion.core.clock import Clock
from orchestrion.core.ids import AccountId, KeyId
from orchestrion.core.instants import Instant
from orchestrion.core.operations import Allowance
from orchestrion.core.plans import SELF_HOSTED, Catalogue, RequestLimits
from orchestrion.core.view import View
from orchestrion.databases import Backend
from orchestrion.store.sqlite.database import Place

ADDED: Final = Target(at_most=1.10)
# Shorter than elsewhere, and more of them: what both have in common cancels out best in turns.
TURNS: Final = 4
MODES: Final = (("64 callers", CALLERS), ("1 caller", 1))
LIMITED: Final = replace(SELF_HOSTED, limits=RequestLimits())
REQUESTS: Final = 50_000


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """Lives that counted, and those before, between and after them that did not."""

    counting: dict[str, list[Span]]
    uncounted: dict[str, list[Span]]
    # Microseconds that a request counted by key takes in the API.
    by_key: list[float]


def measure(conditions: Conditions) -> list[Figure]:
    """Measure on SQLite."""
    both = {conditions.cores.server, conditions.cores.load}
    return figures(in_own_process(both, _measure, conditions))


async def _measure(conditions: Conditions) -> Measured:
    place = Place(path=conditions.folder / "counting.db")
    account = new_account(place.path)
    return await turns(conditions.effort, sqlite(place), account)


async def turns(effort: Effort, backend: Backend, account: Account) -> Measured:
    """Let lives that count and lives that do not take turns."""
    measured = Measured(counting={}, uncounted={}, by_key=_by_key(effort.rounds, backend.clock))
    async with engine(backend, account) as used:
        for name, callers in MODES:
            await span(used, callers, effort.warm_up_seconds / 2)
            with_them, without = await _turns(effort, used, callers)
            measured.counting[name] = with_them
            measured.uncounted[name] = without
    return measured


async def _turns(effort: Effort, used: Engine, callers: int) -> tuple[list[Span], list[Span]]:
    seconds = effort.engine_seconds / TURNS
    with uncounted():
        without = [await span(used, callers, seconds)]
    with_them: list[Span] = []
    for _ in range(effort.rounds * TURNS):
        with_them.append(await span(used, callers, seconds))
        with uncounted():
            without.append(await span(used, callers, seconds))
    return with_them, without


def _by_key(rounds: int, clock: Clock) -> list[float]:
    limiter = Limiter(LIMITED, clock)
    principal = Principal(
        account_id=AccountId("acct_1"), key_id=KeyId("key_1"), plan="free", plan_expires_at=None
    )
    taken: list[float] = []
    for _ in range(rounds):
        started = time.process_time()
        for _ in range(REQUESTS):
            limiter.admit_key(Allowance.MUTATIONS, principal)
        taken.append((time.process_time() - started) / REQUESTS * 1e6)
    return taken


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


def figures(measured: Measured) -> list[Figure]:
    """Compare each turn with those around it that did not count."""
    found: list[Figure] = []
    for name, callers in MODES:
        pair = measured.counting[name], measured.uncounted[name]
        # Alone, the counters' statement is not shared with anybody: what it may add is time.
        target = ADDED if callers > 1 else None
        found += [
            replace(_ratio(f"{name}, CPU", *pair, _cpu_of), target=target),
            replace(_ratio(f"{name}, time", *pair, _time_of), target=ADDED),
            _cpu(f"{name}, CPU per life cycle, counting", pair[0]),
            _cpu(f"{name}, CPU per life cycle, not counting", pair[1]),
        ]
    return [*found, Figure(name="a request counted by key", unit="µs", samples=measured.by_key)]


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
    )


def _cpu(name: str, spans: Sequence[Span]) -> Figure:
    return Figure(name=name, unit="µs", samples=[_cpu_of(one) * 1e6 for one in spans])


def _cpu_of(one: Span) -> float:
    return one.cpu / one.lives


def _time_of(one: Span) -> float:
    return one.wall / one.lives
