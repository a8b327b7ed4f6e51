"""Looks for one account's words in everything another account, the log or the metrics are told.

Run it as `python -m tests.security.canaries --operations 50000`. Every account writes a word of
its own into every text that it may write. A word or an id of another account in an answer, or
any such word in the log or on the metrics page, is a leak.
"""

import argparse
import asyncio
import json
import re
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Final
from urllib.request import urlopen

import msgspec

from tests.e2e.serving import PATIENCE_SECONDS, PROGRAM, Launch, Served, serving
from tests.ports import free_port
from tests.security.grounds import KINDS, SQLITE, Ground, ground
from tests.security.tenants import Tenant, next_request
from tests.security.wire import HOST, Heard, Sent, Wire

ACCOUNTS: Final = 8
CONNECTIONS_PER_ACCOUNT: Final = 3
CANARY_BYTES: Final = 16
# While a table is away, so many answers are faults with a traceback in the log.
FAULTS_WANTED: Final = 40
LEAKS_SHOWN: Final = 5
_IDS: Final = re.compile(rb"(?:tsk|pur|acct)_[0-9A-Z]{26}|lse_[0-9a-f]{34}|orch_live_[0-9a-f]{64}")


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """How much, on which database, and by which seed."""

    operations: int
    seed: int
    kind: str = SQLITE


class Report(msgspec.Struct, kw_only=True):
    """What was looked at, and what was found."""

    seed: int
    kind: str = SQLITE
    operations: Counter[str] = msgspec.field(default_factory=Counter)
    statuses: Counter[int] = msgspec.field(default_factory=Counter)
    bytes_scanned: int = 0
    own_words_seen: int = 0
    ids_seen: int = 0
    log_lines: int = 0
    log_faults: int = 0
    metric_samples: int = 0
    seconds: float = 0.0
    foreign: list[str] = msgspec.field(default_factory=list)
    logged: list[str] = msgspec.field(default_factory=list)
    measured: list[str] = msgspec.field(default_factory=list)

    @property
    def leaks(self) -> list[str]:
        """Everything that should not have been there."""
        return [*self.foreign, *self.logged, *self.measured]

    def text(self) -> str:
        """Print the counts and the verdict."""
        counted = ", ".join(f"{name} {count:,}" for name, count in sorted(self.operations.items()))
        statuses = ", ".join(f"{code}: {count:,}" for code, count in sorted(self.statuses.items()))
        verdict = "LEAK" if self.leaks else "nothing leaked"
        return "\n".join(
            [
                f"server on                {self.kind}",
                f"accounts                 {ACCOUNTS}, {CONNECTIONS_PER_ACCOUNT} connections each",
                f"operations               {self.operations.total():,} in {self.seconds:.0f} s",
                f"  of them                {counted}",
                f"  by status              {statuses}",
                f"bytes of answers         {self.bytes_scanned:,}, heads included",
                f"own words in answers     {self.own_words_seen:,}",
                f"ids in answers           {self.ids_seen:,}",
                f"foreign words or ids     {len(self.foreign)}",
                f"log lines                {self.log_lines:,}, of them faults {self.log_faults:,}",
                f"words in the log         {len(self.logged)}",
                f"samples of metrics       {self.metric_samples:,}",
                f"words in the metrics     {len(self.measured)}",
                *self.leaks[:LEAKS_SHOWN],
                f"verdict                  {verdict} (seed {self.seed})",
            ]
        )


class Scan:
    """Knows whose each word and id is, and holds every answer against it."""

    def __init__(self, tenants: Sequence[Tenant], report: Report) -> None:
        self._words = {tenant.id: tenant.canary.encode() for tenant in tenants}
        self._every_word = re.compile(b"|".join(self._words.values()))
        self._owners = {
            mark.encode(): tenant.id for tenant in tenants for mark in (tenant.id, tenant.key)
        }
        self._report = report

    def answer(self, tenant: Tenant, sent: Sent, asked: bytes, heard: Heard) -> None:
        """Look for what is not this account's, nor written by it into this request."""
        report, whole = self._report, heard.bytes
        report.operations[sent.name] += 1
        report.statuses[heard.status] += 1
        report.bytes_scanned += len(whole)
        own = self._words[tenant.id]
        words = self._every_word.findall(whole)
        report.own_words_seen += words.count(own)
        strange = {word for word in words if word != own and word not in asked}
        for mark in _IDS.findall(whole):
            report.ids_seen += 1
            # An id that the account did not name is its own, and nobody else's ever after.
            if mark not in asked and self._owners.setdefault(mark, tenant.id) != tenant.id:
                strange.add(mark)
        for mark in sorted(strange):
            report.foreign.append(f"{mark.decode()} in the answer to {sent.method} {sent.path}")

    def words_in(self, text: bytes) -> list[str]:
        """Name the lines in which any account's word stands."""
        lines = text.splitlines()
        return [line.decode() for line in lines if self._every_word.search(line)]


class Run:
    """Accounts at work on one server."""

    def __init__(self, served: Served, place: Ground, asked: Asked) -> None:
        self.report = Report(kind=asked.kind, seed=asked.seed)
        self._place = place
        self._port = int(served.url().rpartition(":")[2])
        self._operations = asked.operations
        self._draw = Random(asked.seed)
        self._tenants: list[Tenant] = []

    async def work(self) -> Scan:
        """Let all accounts ask until so many operations were answered."""
        wire = await Wire.to(self._port)
        self._tenants = [await self._registered(wire) for _ in range(ACCOUNTS)]
        await wire.close()
        scan = Scan(self._tenants, self.report)
        began = time.monotonic()
        await self._phase(scan, self._operations // 2)
        await self._break(scan)
        await self._phase(scan, self._operations - self.report.operations.total())
        self.report.seconds = time.monotonic() - began
        return scan

    async def _phase(self, scan: Scan, operations: int) -> None:
        turns = iter(range(operations))
        async with asyncio.TaskGroup() as group:
            for tenant in self._tenants:
                for _ in range(CONNECTIONS_PER_ACCOUNT):
                    draw = Random(self._draw.getrandbits(64))
                    group.create_task(self._ask_on(tenant, scan, draw, turns))

    async def _ask_on(self, one: Tenant, scan: Scan, draw: Random, turns: Iterator[int]) -> None:
        others = [tenant for tenant in self._tenants if tenant is not one]
        wire = await Wire.to(self._port)
        for _ in turns:
            await _step(wire, one, scan, next_request(one, draw.choice(others), draw))
        await wire.close()

    async def _registered(self, wire: Wire) -> Tenant:
        canary = self._draw.randbytes(CANARY_BYTES).hex()
        body = {"email": f"{canary}@example.com"}
        sent = Sent(name="register_key", method="POST", path="/v1/keys/register", body=body)
        heard = await wire.ask(sent.encoded(""))
        assert heard.status == 201, heard.body
        return Tenant(json.loads(heard.body), canary)

    async def _break(self, scan: Scan) -> None:
        """Take a table away for a while: what breaks inside is logged with its traceback."""
        wire = await Wire.to(self._port)
        before = _faults(self.report)
        with self._place.without_tasks():
            while _faults(self.report) - before < FAULTS_WANTED:
                one, other = self._draw.sample(self._tenants, 2)
                await _step(wire, one, scan, next_request(one, other, self._draw))
        await wire.close()


async def _step(wire: Wire, one: Tenant, scan: Scan, sent: Sent) -> None:
    asked = sent.encoded(one.key)
    heard = await wire.ask(asked)
    scan.answer(one, sent, asked, heard)
    one.learn(heard.body)


def _faults(report: Report) -> int:
    return sum(count for status, count in report.statuses.items() if status >= 500)


def run(folder: Path, asked: Asked, program: Sequence[str] = PROGRAM) -> Report:
    """Serve, let the accounts work, and look everywhere."""
    metrics_port = free_port()
    with ground(asked.kind, folder) as place:
        arguments = ("--port", "0", "--database", place.url, "--log-format", "json")
        listening = (*arguments, "--metrics-port", str(metrics_port))
        launch = Launch(program=program, arguments=listening)
        with serving(Path(), launch=launch) as served:
            at_work = Run(served, place, asked)
            scan = asyncio.run(at_work.work())
            page = f"http://{HOST}:{metrics_port}/metrics"
            with urlopen(page, timeout=PATIENCE_SECONDS) as answer:
                metrics = answer.read()
            assert served.stop() == 0
    report = at_work.report
    report.log_lines = len(served.lines)
    report.log_faults = sum(line["level"] == "error" for line in served.lines)
    report.logged = scan.words_in(served.log + served.stdout.encode())
    report.metric_samples = sum(not line.startswith(b"#") for line in metrics.splitlines())
    report.measured = scan.words_in(metrics)
    return report


def main() -> None:
    """Run, print the counts, and fail if anything leaked."""
    parser = argparse.ArgumentParser(prog="python -m tests.security.canaries")
    parser.add_argument("--operations", type=int, default=50_000)
    parser.add_argument("--seed", type=int, help="that of a former run, to repeat it")
    parser.add_argument("--only", choices=KINDS, help="one database instead of both")
    given = parser.parse_args()
    leaked = False
    for kind in [given.only] if given.only else KINDS:
        seed = secrets.randbits(32) if given.seed is None else given.seed
        asked = Asked(operations=given.operations, seed=seed, kind=kind)
        with tempfile.TemporaryDirectory() as folder:
            report = run(Path(folder), asked)
        sys.stdout.write(report.text() + "\n\n")
        leaked = leaked or bool(report.leaks)
    sys.exit(leaked)


if __name__ == "__main__":
    main()
