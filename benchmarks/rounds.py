"""One run of the load generator against one process, and figures made of several."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from benchmarks import wrk
from benchmarks.conditions import Conditions
from benchmarks.figures import Figure, Target
from benchmarks.processes import Served

CONNECTIONS = 64


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """Who is to be loaded, how, and for how long."""

    served: Served
    script: str
    seconds: float
    connections: int = CONNECTIONS
    variables: Mapping[str, str] = {}


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a turn, with the processor time the process used meanwhile."""

    load: wrk.Measured
    cpu_seconds: float

    @property
    def cpu_us(self) -> float:
        """Processor time per request: hardly disturbed by what else the machine does."""
        return self.cpu_seconds / self.load.requests * 1e6

    @property
    def share(self) -> float:
        """How much of its core the process had; well below 1 it waited, or others took it."""
        return self.cpu_seconds / self.load.seconds


def take(conditions: Conditions, turn: Turn) -> Round:
    """Run one turn."""
    before = turn.served.cpu_seconds()
    load = wrk.run(
        wrk.Load(
            script=turn.script,
            port=turn.served.port,
            seconds=turn.seconds,
            connections=turn.connections,
            core=conditions.cores.load,
            variables=turn.variables,
        )
    )
    return Round(load=load, cpu_seconds=turn.served.cpu_seconds() - before)


def figure(
    name: str,
    unit: str,
    rounds: Sequence[Round],
    read: Callable[[Round], float],
    target: Target | None = None,
) -> Figure:
    """Make a figure of one value of each round; answers that must not be make it void."""
    trouble = "; ".join(one.load.trouble for one in rounds if one.load.trouble)
    samples = [read(one) for one in rounds]
    return Figure(name=name, unit=unit, samples=samples, target=target, spoiled=trouble)


def ratio(
    name: str, rounds: Sequence[Round], floors: Sequence[Round], target: Target | None = None
) -> Figure:
    """Compare the rates of each round with those of the floor's rounds around it."""
    trouble = "; ".join(one.load.trouble for one in (*rounds, *floors) if one.load.trouble)
    return Figure(
        name=name,
        unit="ratio",
        samples=[
            2 * one.load.rate / (before.load.rate + after.load.rate)
            for one, before, after in zip(rounds, floors, floors[1:], strict=False)
        ],
        target=target,
        spoiled=trouble,
    )
