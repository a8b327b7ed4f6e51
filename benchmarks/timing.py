"""Whether time tells what an answer does not: another account's id or no id, a dead key or none.

Run by hand as `python -m benchmarks.timing`, on a machine that does nothing else.
"""

import argparse
import asyncio
import gc
import json
import math
import os
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from benchmarks.machine import cores, on_core
from benchmarks.processes import service_on
from orchestrion.core import ids
from orchestrion.core.instants import Instant
from orchestrion.databases import operator_of
from orchestrion.store.address import DatabaseOptions, read_address
from tests.postgres import PostgresServer
from tests.security.wire import Sent, Wire

PAIRS: Final = 2_000
# Before any pair counts.
WARM_UP_PAIRS: Final = 200
SHARE_AT_MOST: Final = 0.05
MS_AT_MOST: Final = 0.2
# What chance alone would show once in twenty times is no separation.
P_AT_LEAST: Final = 0.05
READING: Final = ("", "/explain")
WRITING: Final = ("/complete", "/claim", "/cancel")
MADE_AT_ONCE: Final = 100
REVOKED: Final = 50
KINDS: Final = ("sqlite", "postgres")
# Anybody can compute the checksum, so its refusal before the look-up tells of no stored key.
BY_DESIGN: Final = "by design: what a wrong checksum saves is the look-up, and nobody's secret"
HEADINGS: Final = ("pair", "median", "median", "apart", "share", "rank", "p", "verdict")
WIDTHS: Final = (45, 10, 10, 10, 7, 7, 11, 0)


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A request and the key it shows."""

    sent: Sent
    key: str

    @property
    def encoded(self) -> bytes:
        """Write it as HTTP."""
        return self.sent.encoded(self.key)


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """Two kinds of request that must be answered alike; each is made anew for every pair."""

    name: str
    one: Callable[[], Ask]
    other: Callable[[], Ask]
    status: int
    note: str = ""


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """The milliseconds of both kinds, and what a rank test says of them."""

    name: str
    one: Sequence[float]
    other: Sequence[float]
    note: str

    @property
    def row(self) -> tuple[str, ...]:
        """Lay it out."""
        first, second = statistics.median(self.one), statistics.median(self.other)
        apart = abs(first - second)
        share = apart / max(first, second)
        rank, p = rank_test(self.one, self.other)
        alike = share < SHARE_AT_MOST or apart < MS_AT_MOST
        told = "alike" if alike else "APART"
        if p < P_AT_LEAST:
            told += ", separated by rank"
        return (
            self.name,
            f"{first:.3f} ms",
            f"{second:.3f} ms",
            f"{apart:.3f} ms",
            f"{share:.1%}",
            f"{rank:.3f}",
            f"{p:.3g}",
            told,
        )


def rank_test(one: Sequence[float], other: Sequence[float]) -> tuple[float, float]:
    """Mann and Whitney's: how often one of the first is greater, and how likely by chance.

    Half of the time is no difference at all. The normal approximation, for many samples.
    """
    marked = sorted([(value, 0) for value in one] + [(value, 1) for value in other])
    ranks = {0: 0.0, 1: 0.0}
    at = 0
    while at < len(marked):
        end = at
        while end < len(marked) and marked[end][0] == marked[at][0]:
            end += 1
        for _, kind in marked[at:end]:
            ranks[kind] += (at + 1 + end) / 2
        at = end
    pairs = len(one) * len(other)
    greater = ranks[0] - len(one) * (len(one) + 1) / 2
    deviation = math.sqrt(pairs * (len(one) + len(other) + 1) / 12)
    z = (greater - pairs / 2) / deviation
    return greater / pairs, math.erfc(abs(z) / math.sqrt(2))


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """A server, two accounts, the tasks of the second, and keys that were revoked."""

    port: int
    key: str
    foreign: Sequence[str]
    revoked: Sequence[str]


def cases(ground: Ground) -> list[Case]:
    """Pair what exists with what never did."""

    def about(verb: str, choose: Callable[[], str]) -> Callable[[], Ask]:
        method = "GET" if verb in READING else "POST"
        return lambda: Ask(
            sent=Sent(name="", method=method, path=f"/v1/tasks/{choose()}{verb}"), key=ground.key
        )

    def shown(choose: Callable[[], str]) -> Callable[[], Ask]:
        return lambda: Ask(sent=Sent(name="", method="GET", path="/v1/tasks"), key=choose())

    foreign: Callable[[], str] = lambda: random.choice(ground.foreign)  # noqa: E731
    revoked: Callable[[], str] = lambda: random.choice(ground.revoked)  # noqa: E731
    return [
        *(
            Case(
                name=f"{verb[1:] or 'read'}: another account's id, unknown id",
                one=about(verb, foreign),
                other=about(verb, _unknown_id),
                status=404,
            )
            for verb in (*READING, *WRITING)
        ),
        Case(name="revoked key, unknown key", one=shown(revoked), other=shown(_key), status=401),
        Case(
            name="unknown key, wrong checksum",
            one=shown(_key),
            other=shown(_typo),
            status=401,
            note=BY_DESIGN,
        ),
    ]


async def measure(ground: Ground, pairs: int) -> list[Compared]:
    """Ask both kinds of every case in turn, whichever comes first by chance."""
    wire = await Wire.to(ground.port)
    compared = []
    for case in cases(ground):
        # What this process collects is no time of the server's.
        gc.collect()
        gc.disable()
        both = [await _pair(wire, case) for _ in range(WARM_UP_PAIRS + pairs)][WARM_UP_PAIRS:]
        gc.enable()
        one, other = zip(*both, strict=True)
        compared.append(Compared(name=case.name, one=one, other=other, note=case.note))
    await wire.close()
    return compared


async def _pair(wire: Wire, case: Case) -> tuple[float, float]:
    one, other = case.one().encoded, case.other().encoded
    if random.random() < 0.5:
        taken = await _milliseconds(wire, one, case.status)
        return taken, await _milliseconds(wire, other, case.status)
    taken = await _milliseconds(wire, other, case.status)
    return await _milliseconds(wire, one, case.status), taken


async def _milliseconds(wire: Wire, asked: bytes, status: int) -> float:
    began = time.perf_counter()
    heard = await wire.ask(asked)
    taken = (time.perf_counter() - began) * 1e3
    assert heard.status == status, heard.bytes
    return taken


def _unknown_id() -> str:
    # Made now, as the others were: an id tells its time.
    return "tsk_" + ids.ulid(Instant(int(time.time() * 1e3)), random.getrandbits(ids.RANDOM_BITS))


def _key() -> str:
    return ids.api_key(os.urandom(ids.KEY_ENTROPY_BYTES))


def _typo() -> str:
    key = _key()
    return key[:-1] + ("0" if key[-1] != "0" else "1")


async def ready(port: int, database_url: str) -> Ground:
    """Make two accounts, tasks for the second, and keys that are revoked."""
    operator = operator_of(DatabaseOptions(address=read_address(database_url)))
    mine, theirs = [await operator.create_key(None, None) for _ in "ab"]
    revoked = [await operator.create_key(theirs.account_id, None) for _ in range(REVOKED)]
    for created in revoked:
        assert await operator.revoke_key(created.key_id)
    wire = await Wire.to(port)
    foreign: list[str] = []
    while len(foreign) < PAIRS:
        items = [{"type": "foreign", "payload": {}}] * MADE_AT_ONCE
        sent = Sent(name="", method="POST", path="/v1/tasks/batch", body={"items": items})
        heard = await wire.ask(sent.encoded(theirs.key))
        foreign += [item["body"]["id"] for item in json.loads(heard.body)["items"]]
    await wire.close()
    revoked_keys = [created.key for created in revoked]
    return Ground(port=port, key=mine.key, foreign=foreign, revoked=revoked_keys)


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    """Give the address of an empty database."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'timing.db'}"
    else:
        with PostgresServer() as server:
            yield server.url()


async def _run(port: int, database_url: str, pairs: int) -> list[Compared]:
    return await measure(await ready(port, database_url), pairs)


def main() -> None:
    """Measure on both databases and print a table for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.timing", description=__doc__)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--only", choices=KINDS, help="one database instead of both")
    asked = parser.parse_args()
    before = os.getloadavg()[0]
    for kind in [asked.only] if asked.only else KINDS:
        with TemporaryDirectory() as name, database(kind, Path(name)) as url:
            log = Path(name, "log")
            with service_on(url, log, cores().server) as served, on_core(cores().load):
                compared = asyncio.run(_run(served.port, url, asked.pairs))
        title = f"{kind}: {asked.pairs:,} pairs each; load average before {before:.2f}"
        print(_table(title, compared), end="\n\n", flush=True)


def _table(title: str, compared: Sequence[Compared]) -> str:
    rows = [HEADINGS, *(one.row for one in compared)]
    lines = [
        "".join(text.ljust(width) for text, width in zip(row, WIDTHS, strict=True)) for row in rows
    ]
    notes = [f"  {one.name}: {one.note}" for one in compared if one.note]
    return "\n".join([title, *(line.rstrip() for line in lines), *notes])


if __name__ == "__main__":
    main()
