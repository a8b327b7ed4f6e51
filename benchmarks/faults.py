"""How the service comes back after its PostgreSQL was hurt: run by hand, for it takes minutes."""

import argparse
import asyncio
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Event
from typing import Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import asyncpg
import msgspec

from benchmarks import wrk
from benchmarks.figures import Figure, Target, table
from benchmarks.machine import cores
from benchmarks.processes import Served, service_on
from tests.postgres import PostgresServer, Shutdown

WINDOW_SECONDS: Final = 3
WARM_UP_SECONDS: Final = 3
BACK_AT_MOST: Final = 10
RATE_AT_LEAST: Final = 0.95
ASK_EVERY_SECONDS: Final = 0.05
KILL_EVERY_SECONDS: Final = 0.1
# The database waits for its disk, as it would in earnest.
SETTINGS: Final = {"fsync": "on", "full_page_writes": "on", "max_connections": "40"}
OURS: Final = "application_name like 'orchestrion%'"
TERMINATE: Final = f"select pg_terminate_backend(pid) from pg_stat_activity where {OURS}"


class Effort(msgspec.Struct, frozen=True, kw_only=True):
    """For how long the database is hurt, and watched before and after."""

    hurt_seconds: float
    windows_before: int
    windows_after: int


FULL: Final = Effort(hurt_seconds=30, windows_before=9, windows_after=9)
QUICK: Final = Effort(hurt_seconds=4, windows_before=1, windows_after=2)


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """A service on a database, and the key to it."""

    postgres: PostgresServer
    served: Served
    key: str
    effort: Effort


def main() -> None:
    """Hurt the database in every way, one after the other."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="seconds where it would be minutes")
    parser.add_argument("--only", choices=HURTS, help="one way instead of all")
    asked = parser.parse_args()
    effort = QUICK if asked.quick else FULL
    for name in [asked.only] if asked.only else HURTS:
        with _ground(effort) as ground:
            print(table(name, _measure(ground, HURTS[name])), end="\n\n", flush=True)


@contextmanager
def _ground(effort: Effort) -> Iterator[Ground]:
    with TemporaryDirectory() as folder, PostgresServer(SETTINGS) as postgres:
        log = Path(folder, "log")
        with service_on(postgres.url(), log, cores().server) as served:
            key = _registered(served)
            yield Ground(postgres=postgres, served=served, key=key, effort=effort)


def _measure(ground: Ground, hurt: Callable[[Ground], None]) -> list[Figure]:
    effort = ground.effort
    _load(ground, WARM_UP_SECONDS)
    before = [_load(ground, WINDOW_SECONDS).rate for _ in range(effort.windows_before)]
    over = Event()
    with ThreadPoolExecutor() as beside:
        meanwhile = beside.submit(_load_until, ground, over)
        time.sleep(1)
        hurt(ground)
        back = _seconds_until_it_works(ground)
        over.set()
        hurting = meanwhile.result()
    after = [_load(ground, WINDOW_SECONDS) for _ in range(effort.windows_after)]
    rates = [one.rate / median(before) for one in after]
    answers, refusals = (sum(column) for column in zip(*hurting, strict=True))
    return [
        Figure(name="before, requests/s", unit="/s", samples=before),
        Figure(
            name="first success after",
            unit="s",
            samples=[back],
            target=Target(at_most=BACK_AT_MOST),
            note=f"{answers:,} answers meanwhile, {refusals:,} of them refusals",
        ),
        Figure(
            name="rate after ÷ before",
            unit="ratio",
            samples=rates,
            target=Target(at_least=RATE_AT_LEAST),
            note="; ".join(one.trouble for one in after if one.trouble),
        ),
    ]


def _load(ground: Ground, seconds: float) -> wrk.Measured:
    return wrk.run(
        wrk.Load(
            script="life",
            port=ground.served.port,
            seconds=seconds,
            core=cores().load,
            variables={"BENCH_KEY": ground.key},
        )
    )


def _load_until(ground: Ground, over: Event) -> list[tuple[int, int]]:
    told = []
    while not over.is_set():
        one = _load(ground, 1)
        told.append((one.requests, one.over_399))
    return told


def _seconds_until_it_works(ground: Ground) -> float:
    began = time.monotonic()
    body = json.dumps({"type": "first", "payload": {}}).encode()
    headers = {"Authorization": f"Bearer {ground.key}", "Content-Type": "application/json"}
    asked = Request(f"http://127.0.0.1:{ground.served.port}/v1/tasks", body, headers)
    while True:
        try:
            urlopen(asked).close()
        except HTTPError as refusal:
            refusal.close()
            time.sleep(ASK_EVERY_SECONDS)
        else:
            return time.monotonic() - began


def _registered(served: Served) -> str:
    asked = Request(f"http://127.0.0.1:{served.port}/v1/keys/register", method="POST")
    with urlopen(asked) as answer:
        return str(json.load(answer)["apiKey"])


def _restarted_fast(ground: Ground) -> None:
    ground.postgres.restart(Shutdown.FAST)


def _restarted_at_once(ground: Ground) -> None:
    ground.postgres.restart(Shutdown.IMMEDIATE)


def _refused(ground: Ground) -> None:
    ground.postgres.stop()
    time.sleep(ground.effort.hurt_seconds)
    ground.postgres.start()


def _terminated(ground: Ground) -> None:
    asyncio.run(_terminate_often(ground))


async def _terminate_often(ground: Ground) -> None:
    operator = await asyncpg.connect(ground.postgres.url())
    deadline = time.monotonic() + ground.effort.hurt_seconds
    while time.monotonic() < deadline:
        await operator.execute(TERMINATE)
        await asyncio.sleep(KILL_EVERY_SECONDS)
    await operator.close()


def _crowded_out(ground: Ground) -> None:
    asyncio.run(_take_every_connection(ground))


async def _take_every_connection(ground: Ground) -> None:
    operator = await asyncpg.connect(ground.postgres.url())
    others = []
    deadline = time.monotonic() + ground.effort.hurt_seconds
    while time.monotonic() < deadline:
        await operator.execute(TERMINATE)
        try:
            while True:
                others.append(await asyncpg.connect(ground.postgres.url()))
        except asyncpg.TooManyConnectionsError:
            await asyncio.sleep(KILL_EVERY_SECONDS)
    for other in others:
        await other.close()
    await operator.close()


HURTS: Final[dict[str, Callable[[Ground], None]]] = {
    "Restart, fast": _restarted_fast,
    "Restart, immediate": _restarted_at_once,
    "Every session terminated, ten times a second": _terminated,
    "Every connection taken by others": _crowded_out,
    "Nobody answers": _refused,
}


if __name__ == "__main__":
    main()
