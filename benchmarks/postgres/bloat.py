"""What a snapshot that is held for minutes does to the rate, and how soon it comes back.

SNAPSHOT_MINUTES sets for how long.
"""

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from statistics import fmean, median

import asyncpg
import msgspec

from benchmarks.conditions import Conditions
from benchmarks.embedded import Engine, engine, in_own_process
from benchmarks.engine import CALLERS
from benchmarks.figures import Figure, Target
from benchmarks.filling import Account
from benchmarks.postgres.server import new_account, opened, server
from orchestrion.core.listing import PageQuery
from orchestrion.engine.ports import Reader

KEPT_AT_LEAST = 0.7
RECOVERY_SECONDS_AT_MOST = 60
# Recovered is who reaches this share of the former rate: slices differ by so much by themselves.
RECOVERED = 0.9
SLICE_SECONDS = 5.0
WARM_UP_SECONDS = 20.0
BASE_SECONDS = 120.0
AFTER_SECONDS = 120.0
SNAPSHOT_MINUTES = float(os.environ.get("SNAPSHOT_MINUTES", "10"))
READERS = 4
READ_EVERY_SECONDS = 0.05
PAGE = 100
DEAD = "select n_dead_tup from pg_stat_user_tables where relname = 'tasks'"
HOLD = "begin isolation level repeatable read; select count(*) from accounts"


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What the measuring process is told."""

    url: str
    account: Account


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """Lives per second, slice by slice; dead rows as PostgreSQL counts them."""

    before: Sequence[float]
    held: Sequence[float]
    after: Sequence[float]
    dead_before: int
    dead_held: int
    dead_after: int


def measure(conditions: Conditions) -> list[Figure]:
    """Load an engine all the time; meanwhile hold a snapshot, and let it go."""
    both = {conditions.cores.server, conditions.cores.load}
    with server() as database:
        url = database.url()
        given = Given(url=url, account=asyncio.run(new_account(url)))
        return _figures(in_own_process(both, _measure, given))


def _figures(rates: Rates) -> list[Figure]:
    base = median(rates.before)
    last = rates.held[-round(60 / SLICE_SECONDS) :]
    kept, recovery = Target(at_least=KEPT_AT_LEAST), Target(at_most=RECOVERY_SECONDS_AT_MOST)
    note = f"held for {SNAPSHOT_MINUTES:g} minutes; {READERS} readers page all the time"
    return [
        Figure(name="life cycles/s before", unit="/s", samples=rates.before, note=note),
        Figure(name="life cycles/s while held", unit="/s", samples=rates.held),
        Figure(
            name="kept while held", unit="ratio", samples=[fmean(rates.held) / base], target=kept
        ),
        Figure(name="kept in the last minute", unit="ratio", samples=[fmean(last) / base]),
        Figure(name="recovered after", unit="s", samples=[_recovered(rates)], target=recovery),
        Figure(name="life cycles/s after", unit="/s", samples=rates.after),
        Figure(name="dead rows before", unit="", samples=[rates.dead_before]),
        Figure(name="dead rows in the end of it", unit="", samples=[rates.dead_held]),
        Figure(name="dead rows after", unit="", samples=[rates.dead_after]),
    ]


def _recovered(rates: Rates) -> float:
    enough = RECOVERED * median(rates.before)
    reached = (number for number, rate in enumerate(rates.after, 1) if rate >= enough)
    return next(reached, float("inf")) * SLICE_SECONDS


async def _measure(given: Given) -> Rates:
    async with AsyncExitStack() as stack:
        backend = await opened(given.url)
        used = await stack.enter_async_context(engine(backend, given.account))
        session = await asyncpg.connect(given.url)
        stack.push_async_callback(session.close)
        load = _Load(used)
        stack.push_async_callback(load.stop)
        readers = [asyncio.create_task(_read(backend.reader, used)) for _ in range(READERS)]
        stack.callback(lambda: [one.cancel() for one in readers])
        await load.slices(WARM_UP_SECONDS)
        before = await load.slices(BASE_SECONDS)
        dead_before = await _dead(given.url)
        await session.execute(HOLD)
        held = await load.slices(SNAPSHOT_MINUTES * 60)
        dead_held = await _dead(given.url)
        await session.execute("rollback")
        after = await load.slices(AFTER_SECONDS)
        return Rates(
            before=before,
            held=held,
            after=after,
            dead_before=dead_before,
            dead_held=dead_held,
            dead_after=await _dead(given.url),
        )


class _Load:
    """Callers that take tasks through their lives until they are stopped."""

    def __init__(self, used: Engine) -> None:
        self._used = used
        self._lives = 0
        self._stopping = False
        self._callers = [asyncio.create_task(self._live()) for _ in range(CALLERS)]

    async def slices(self, seconds: float) -> list[float]:
        """Let time pass; gives the rate of each slice of it."""
        rates = []
        for _ in range(max(1, round(seconds / SLICE_SECONDS))):
            started, lives = time.perf_counter(), self._lives
            await asyncio.sleep(SLICE_SECONDS)
            rates.append((self._lives - lives) / (time.perf_counter() - started))
            print(f" {rates[-1]:.0f}", end="", file=sys.stderr, flush=True)
        return rates

    async def stop(self) -> None:
        """Let the callers end what they are at."""
        self._stopping = True
        await asyncio.gather(*self._callers)

    async def _live(self) -> None:
        while not self._stopping:
            await self._used.live()
            self._lives += 1


async def _read(reader: Reader, used: Engine) -> None:
    """Page through all tasks again and again."""
    query = PageQuery(account_id=used.account_id, limit=PAGE)
    while True:
        found = await reader.page(query)
        before = found.tasks[-1].id if len(found.tasks) == PAGE else None
        query = msgspec.structs.replace(query, before=before)
        await asyncio.sleep(READ_EVERY_SECONDS)


async def _dead(url: str) -> int:
    session = await asyncpg.connect(url)
    dead: int = await session.fetchval(DEAD)
    await session.close()
    return dead
