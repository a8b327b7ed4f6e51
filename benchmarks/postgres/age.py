"""Whether claims stay as quick after millions of lives as they were at first."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from statistics import quantiles

import asyncpg
import msgspec

from benchmarks.conditions import Conditions, Effort
from benchmarks.embedded import Engine, engine, in_own_process
from benchmarks.engine import CALLERS
from benchmarks.figures import Figure, Target
from benchmarks.filling import Account
from benchmarks.postgres.server import new_account, opened, server

GROWTH_AT_MOST = 1.3
WARM_LIVES = 2_000
SLICES = 10
SIZE = "select pg_database_size(current_database())"
YOUNG = "young"


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What the measuring process is told: two databases, each with an account."""

    effort: Effort
    url: str
    account: Account
    young_url: str
    young_account: Account


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """So many lives, and how long each claim among them took, in seconds."""

    rate: float
    claims: Sequence[float]

    @property
    def p99_ms(self) -> float:
        """The slowest claims."""
        return quantiles(self.claims, n=100)[-1] * 1e3


class Ages(msgspec.Struct, frozen=True, kw_only=True):
    """The same number of lives at first, after all the others, and on a new database then."""

    first: Window
    last: Window
    old: Sequence[Window]
    young: Sequence[Window]
    size_mib: float


def measure(conditions: Conditions) -> list[Figure]:
    """Let 64 callers take tasks through millions of lives, which all stay in the database."""
    both = {conditions.cores.server, conditions.cores.load}
    with server() as database:
        url, young = database.url(), database.createdb(YOUNG)
        given = Given(
            effort=conditions.effort,
            url=url,
            account=asyncio.run(new_account(url)),
            young_url=young,
            young_account=asyncio.run(new_account(young)),
        )
        return _figures(conditions.effort, in_own_process(both, _measure, given))


def _figures(effort: Effort, ages: Ages) -> list[Figure]:
    first, after = f"first {effort.window_lives:,}", f"after {effort.aged_lives:,}"
    target = Target(at_most=GROWTH_AT_MOST)
    pairs = zip(ages.old, ages.young, strict=True)
    return [
        Figure(name=f"claim p99, {first}", unit="ms", samples=[ages.first.p99_ms]),
        Figure(name=f"claim p99, {after}", unit="ms", samples=[ages.last.p99_ms]),
        Figure(
            name=f"claim p99, {after} ÷ {first}",
            unit="ratio",
            samples=[ages.last.p99_ms / ages.first.p99_ms],
            target=target,
        ),
        Figure(
            name=f"claim p99, {after} ÷ new database beside it, in turns",
            unit="ratio",
            samples=[old.p99_ms / young.p99_ms for old, young in pairs],
            target=target,
        ),
        Figure(name=f"life cycles/s, {first}", unit="/s", samples=[ages.first.rate]),
        Figure(name=f"life cycles/s, {after}", unit="/s", samples=[ages.last.rate]),
        Figure(name="size of the database", unit="MiB", samples=[ages.size_mib]),
    ]


async def _measure(given: Given) -> Ages:
    effort = given.effort
    between = effort.aged_lives - 2 * effort.window_lives
    async with (
        engine(await opened(given.url), given.account) as used,
        engine(await opened(given.young_url), given.young_account) as other,
    ):
        for one in (used, other):
            await _window(one, WARM_LIVES)
        first = await _window(used, effort.window_lives)
        await _window(used, between)
        last = await _window(used, effort.window_lives)
        old, young = [], []
        for _ in range(SLICES):
            old.append(await _window(used, effort.window_lives // SLICES))
            young.append(await _window(other, effort.window_lives // SLICES))
    return Ages(first=first, last=last, old=old, young=young, size_mib=await _size_mib(given.url))


async def _window(used: Engine, lives: int) -> Window:
    numbers = iter(range(lives))
    claims: list[float] = []
    started = time.perf_counter()
    await asyncio.gather(*(_live(used, numbers, claims) for _ in range(CALLERS)))
    return Window(rate=lives / (time.perf_counter() - started), claims=claims)


async def _live(used: Engine, numbers: Iterator[int], claims: list[float]) -> None:
    for _ in numbers:
        await used.create()
        asked = time.perf_counter()
        task = await used.claim()
        claims.append(time.perf_counter() - asked)
        await used.complete(task)


async def _size_mib(url: str) -> float:
    session = await asyncpg.connect(url)
    size: int = await session.fetchval(SIZE)
    await session.close()
    return size / 2**20
