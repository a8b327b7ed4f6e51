"""Whole lives over HTTP with fewer requests: fifty at a time, and with the next one taken along."""

from typing import Final

import msgspec

from benchmarks.conditions import Conditions
from benchmarks.figures import Figure, Target
from benchmarks.filling import Account, new_account
from benchmarks.processes import Served, service
from benchmarks.rounds import Round, Turn, figure, ratio, take

ITEMS: Final = 50
# Fewer than of single requests: whoever sends fifty at a time needs no crowd of connections.
CONNECTIONS: Final = 16
# Requests in a life.
SEPARATE: Final = 3
WITH_NEXT: Final = 2


class Aims(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be reached."""

    batches: Target
    with_next: Target


AIMS = Aims(batches=Target(at_least=12_000), with_next=Target(at_least=1.4))


def measure(conditions: Conditions) -> list[Figure]:
    """Measure on SQLite."""
    database = conditions.folder / "batches.db"
    account = new_account(database)
    with service(database, conditions.cores.server) as served:
        return compared(conditions, account, served, AIMS)


def compared(conditions: Conditions, account: Account, served: Served, aims: Aims) -> list[Figure]:
    """Let batches, ends with a claim behind them, and separate requests take turns."""
    effort = conditions.effort
    variables = {"BENCH_KEY": account.key}
    separate = Turn(served=served, script="life", seconds=effort.seconds, variables=variables)
    with_next = msgspec.structs.replace(separate, script="next")
    batches = msgspec.structs.replace(separate, script="batches", connections=CONNECTIONS)
    for turn in (separate, with_next, batches):
        take(conditions, msgspec.structs.replace(turn, seconds=effort.warm_up_seconds))
    many: list[Round] = []
    nexts: list[Round] = []
    singles = [take(conditions, separate)]
    for _ in range(effort.rounds):
        nexts.append(take(conditions, with_next))
        many.append(take(conditions, batches))
        singles.append(take(conditions, separate))
    return [*_batches(many, singles, aims), *_with_next(nexts, singles, aims)]


def _batches(many: list[Round], singles: list[Round], aims: Aims) -> list[Figure]:
    per_request = ITEMS / SEPARATE
    against = ratio("batches ÷ separate requests, lives", many, singles)
    samples = [sample * ITEMS for sample in against.samples]
    rate = figure(
        f"batches of {ITEMS}, lives/s",
        "/s",
        many,
        lambda one: one.load.rate * per_request,
        aims.batches,
    )
    note = f"{CONNECTIONS} connections: create {ITEMS}, claim {ITEMS}, complete {ITEMS}"
    return [
        msgspec.structs.replace(rate, note=note),
        msgspec.structs.replace(against, samples=samples),
        figure("batches, CPU per life", "µs", many, lambda one: one.cpu_us / per_request),
        figure("batches, share of the core", "", many, lambda one: one.share),
        figure("batches, p99", "ms", many, lambda one: one.load.p99_ms),
    ]


def _with_next(nexts: list[Round], singles: list[Round], aims: Aims) -> list[Figure]:
    against = ratio("complete and take the next ÷ separate, lives", nexts, singles, aims.with_next)
    samples = [sample * SEPARATE / WITH_NEXT for sample in against.samples]
    return [
        figure("separate requests, lives/s", "/s", singles, lambda one: one.load.rate / SEPARATE),
        figure(
            "complete and take the next, lives/s",
            "/s",
            nexts,
            lambda one: one.load.rate / WITH_NEXT,
        ),
        msgspec.structs.replace(against, samples=samples),
        figure("separate requests, CPU per life", "µs", singles, lambda one: one.cpu_us * SEPARATE),
        figure(
            "complete and take the next, CPU per life",
            "µs",
            nexts,
            lambda one: one.cpu_us * WITH_NEXT,
        ),
    ]
