"""Whole lives over HTTP with fewer requests: fifty at a time, and with the next one taken along."""

from collections.abc import Sequence
from typing import Final

import msgspec

from benchmarks.conditions import Conditions
from benchmarks.figures import Figure, Target
from benchmarks.filling import Account, new_account
from benchmarks.processes import Served, floor, service
from benchmarks.rounds import Round, Turn, figure, ratio, take
from benchmarks.stock import stock

ITEMS: Final = 50
# Fewer than of single requests: whoever sends fifty at a time needs no crowd of connections.
CONNECTIONS: Final = 16
# What the two-core machine answers for which the targets in lives a second were set.
REFERENCE_FLOOR: Final = 27_000
# More than any server takes off the stock in a second.
STOCK_PER_SECOND: Final = 10_000


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One way to take tasks through their lives: a script, and how many lives a request is."""

    name: str
    script: str
    lives: float
    connections: int = 64

    def turn(self, separate: Turn) -> Turn:
        """Load the same process this way."""
        return msgspec.structs.replace(separate, script=self.script, connections=self.connections)


class Aims(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be reached."""

    batches: float
    with_next: Target

    @property
    def per_second(self) -> Target:
        """On the machine they were set for."""
        return Target(at_least=self.batches)

    @property
    def against_floor(self) -> Target:
        """On any machine."""
        return Target(at_least=self.batches / REFERENCE_FLOOR)


class Rounds(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a way, and of the separate requests before and after each of its rounds."""

    way: Way
    rounds: Sequence[Round]
    separate: Sequence[Round]
    separate_lives: float

    def figures(self, rate: Target | None = None, against: Target | None = None) -> list[Figure]:
        """Say how many lives it makes, and how many for each that separate requests make."""
        name, lives = self.way.name, self.way.lives
        compared = ratio(f"{name} ÷ separate", self.rounds, self.separate, against)
        samples = [sample * lives / self.separate_lives for sample in compared.samples]
        return [
            figure(f"{name}, lives/s", "/s", self.rounds, lambda one: one.load.rate * lives, rate),
            msgspec.structs.replace(compared, samples=samples),
            figure(f"{name}, CPU per life", "µs", self.rounds, lambda one: one.cpu_us / lives),
        ]


AIMS = Aims(batches=12_000, with_next=Target(at_least=1.4))
ALONE = Way(name="separate requests", script="separate", lives=1 / 3)
NEXT = Way(name="with the next", script="next", lives=1 / 2)
BATCHES = Way(
    name=f"batches of {ITEMS}",
    script="batches",
    lives=ITEMS / 3,
    connections=CONNECTIONS,
)


def measure(conditions: Conditions) -> list[Figure]:
    """Measure on SQLite."""
    database = conditions.folder / "batches.db"
    account = new_account(database)
    with service(database, conditions.cores.server) as served:
        return compared(conditions, account, served, AIMS)


def compared(conditions: Conditions, account: Account, served: Served, aims: Aims) -> list[Figure]:
    """Let each way and what it is compared with take turns."""
    turn = Turn(
        served=served,
        script="",
        seconds=conditions.effort.seconds,
        variables={"BENCH_KEY": account.key},
    )
    batches = _take(conditions, turn, BATCHES, ALONE)
    alone = _take(conditions, turn, NEXT, ALONE)
    note = f"{CONNECTIONS} connections: create {ITEMS}, claim {ITEMS}, complete {ITEMS}"
    rate, *rest = batches.figures(rate=aims.per_second)
    return [
        msgspec.structs.replace(rate, note=note),
        *_beside_floor(conditions, BATCHES, turn, aims),
        *rest,
        figure("batches, share of the core", "", batches.rounds, lambda one: one.share),
        figure("batches, p99", "ms", batches.rounds, lambda one: one.load.p99_ms),
        *_separate(ALONE, [*batches.separate, *alone.separate]),
        *alone.figures(against=aims.with_next),
        _workers_part(conditions, turn, account),
    ]


def _beside_floor(conditions: Conditions, way: Way, separate: Turn, aims: Aims) -> list[Figure]:
    """Let a way and the floor take turns: that ratio carries over between machines."""
    effort, turn = conditions.effort, way.turn(separate)
    with floor(conditions.cores.server) as bare:
        constant = Turn(served=bare, script="floor", seconds=effort.seconds)
        take(conditions, msgspec.structs.replace(constant, seconds=effort.warm_up_seconds))
        rounds, floors = [], [take(conditions, constant)]
        for _ in range(effort.rounds):
            rounds.append(take(conditions, turn))
            floors.append(take(conditions, constant))
    against = ratio(f"{way.name}, lives ÷ floor's requests", rounds, floors, aims.against_floor)
    samples = [sample * way.lives for sample in against.samples]
    return [
        figure("floor, requests/s", "/s", floors, lambda one: one.load.rate),
        msgspec.structs.replace(against, samples=samples),
    ]


def _workers_part(conditions: Conditions, turn: Turn, account: Account) -> Figure:
    """Compare what a worker does of a life, claim and completion, without the creates."""
    effort = conditions.effort
    count = round(STOCK_PER_SECOND * effort.seconds)
    variables = {**turn.variables, "BENCH_STOCK": str(count)}

    def stocked(way: Way) -> Round:
        stock(turn.served, account, count)
        return take(conditions, msgspec.structs.replace(way.turn(turn), variables=variables))

    rounds, separate = [], [stocked(ALONE)]
    for _ in range(effort.rounds):
        rounds.append(stocked(NEXT))
        separate.append(stocked(ALONE))
    name = f"{NEXT.name} ÷ separate, the worker's part"
    compared = ratio(name, rounds, separate)
    # Two requests there, one here.
    return msgspec.structs.replace(compared, samples=[2 * sample for sample in compared.samples])


def _take(conditions: Conditions, turn: Turn, way: Way, separate: Way) -> Rounds:
    effort = conditions.effort
    one, other = way.turn(turn), separate.turn(turn)
    for each in (one, other):
        take(conditions, msgspec.structs.replace(each, seconds=effort.warm_up_seconds))
    rounds: list[Round] = []
    others = [take(conditions, other)]
    for _ in range(effort.rounds):
        rounds.append(take(conditions, one))
        others.append(take(conditions, other))
    return Rounds(way=way, rounds=rounds, separate=others, separate_lives=separate.lives)


def _separate(way: Way, rounds: Sequence[Round]) -> list[Figure]:
    return [
        figure(f"{way.name}, lives/s", "/s", rounds, lambda one: one.load.rate * way.lives),
        figure(f"{way.name}, CPU per life", "µs", rounds, lambda one: one.cpu_us / way.lives),
    ]
