"""Creates, claims and completions each alone over HTTP, to see which of them costs what."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.conditions import Conditions
from benchmarks.figures import Figure
from benchmarks.filling import Kind, Tasks, fill, new_account
from benchmarks.processes import Served, floor, service
from benchmarks.rounds import Round, Turn, figure, ratio, take

# What each phase needs to find in the database.
PHASES: Final[Mapping[str, Kind | None]] = {
    "create": None,
    "claim": "pending",
    "complete": "claimed",
}


def measure(conditions: Conditions) -> list[Figure]:
    """Take the phases in turn, each round on tasks of its own, the floor between rounds."""
    effort, core = conditions.effort, conditions.cores.server
    database = conditions.folder / "phases.db"
    turns = [_turns(conditions, database) for _ in range(effort.phase_rounds)]
    rounds: dict[str, list[Round]] = {phase: [] for phase in PHASES}
    with service(database, core) as served, floor(core) as bare:
        constant = Turn(served=bare, script="floor", seconds=effort.phase_seconds)
        _warm_up(conditions, database, served, constant)
        floors = [take(conditions, constant)]
        for prepared in turns:
            for phase, variables in prepared.items():
                turn = Turn(
                    served=served, script=phase, seconds=effort.phase_seconds, variables=variables
                )
                rounds[phase].append(take(conditions, turn))
            floors.append(take(conditions, constant))
    return [one for phase in PHASES for one in _figures(phase, rounds[phase], floors)]


def _figures(phase: str, rounds: list[Round], floors: list[Round]) -> list[Figure]:
    return [
        figure(f"{phase}, requests/s", "/s", rounds, lambda one: one.load.rate),
        ratio(f"{phase} ÷ floor", rounds, floors),
        figure(f"{phase}, p50", "ms", rounds, lambda one: one.load.p50_ms),
        figure(f"{phase}, p99", "ms", rounds, lambda one: one.load.p99_ms),
        figure(f"{phase}, CPU per request", "µs", rounds, lambda one: one.cpu_us),
    ]


def _warm_up(conditions: Conditions, database: Path, served: Served, constant: Turn) -> None:
    seconds = conditions.effort.warm_up_seconds
    take(conditions, msgspec.structs.replace(constant, seconds=seconds))
    key = new_account(database).key
    life = Turn(served=served, script="life", seconds=seconds, variables={"BENCH_KEY": key})
    take(conditions, life)


def _turns(conditions: Conditions, database: Path) -> dict[str, dict[str, str]]:
    """Prepare one round: an account per phase, with the tasks that it will use up."""
    prepared = {}
    for phase, kind in PHASES.items():
        account = new_account(database)
        if kind is not None:
            tasks = Tasks(kind=kind, count=conditions.effort.phase_tasks)
            fill(database, account, tasks)
        prepared[phase] = {"BENCH_KEY": account.key, "BENCH_FIRST": "0"}
    return prepared
