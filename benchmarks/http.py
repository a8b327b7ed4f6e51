"""Whole task lives over HTTP, one request at a time, against the floor of the same minutes."""

from statistics import median

import msgspec

from benchmarks.conditions import Conditions
from benchmarks.figures import Figure, Target
from benchmarks.filling import Account, new_account
from benchmarks.processes import Served, floor, service
from benchmarks.rounds import Round, Turn, figure, ratio, take

# Below this share of its core the floor was held back, and a ratio to it flatters the service.
FLOOR_SHARE_AT_LEAST = 0.7
BUSY = "something else had much of the floor's core; measure again on a quiet machine"
COMMANDS = "orchestrion_batch_commands_sum"
COMMITS = "orchestrion_batch_commands_count"


class Aims(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be reached."""

    ratio: Target
    p99: Target | None = None
    alone_p50: Target | None = None


AIMS = Aims(ratio=Target(at_least=0.35), p99=Target(at_most=40), alone_p50=Target(at_most=3))


def measure(conditions: Conditions) -> list[Figure]:
    """Let floor and service take turns at 64 connections; then the service alone, at one."""
    database = conditions.folder / "http.db"
    account = new_account(database)
    core = conditions.cores.server
    with service(database, core) as served, floor(core) as bare:
        return compared(conditions, whole_life(conditions, account, served), bare, AIMS)


def compared(conditions: Conditions, lives: Turn, bare: Served, aims: Aims) -> list[Figure]:
    """Measure a service against the floor, and then with one connection."""
    return _crowded(conditions, lives, bare, aims) + _alone(conditions, lives, aims)


def whole_life(conditions: Conditions, account: Account, served: Served) -> Turn:
    """Make the turn that takes tasks through their lives."""
    return Turn(
        served=served,
        script="life",
        seconds=conditions.effort.seconds,
        variables={"BENCH_KEY": account.key},
    )


def _crowded(conditions: Conditions, life: Turn, bare: Served, aims: Aims) -> list[Figure]:
    effort = conditions.effort
    constant = Turn(served=bare, script="floor", seconds=effort.seconds)
    for turn in (constant, life):
        take(conditions, msgspec.structs.replace(turn, seconds=effort.warm_up_seconds))
    commands, commits = life.served.metric(COMMANDS), life.served.metric(COMMITS)
    floors, lives = [take(conditions, constant)], []
    for _ in range(effort.rounds):
        lives.append(take(conditions, life))
        floors.append(take(conditions, constant))
    commands = life.served.metric(COMMANDS) - commands
    commits = life.served.metric(COMMITS) - commits
    return [
        *_figures(lives, floors, aims),
        Figure(name="writes per commit", unit="", samples=[commands / commits]),
    ]


def _figures(lives: list[Round], floors: list[Round], aims: Aims) -> list[Figure]:
    answer_bytes = sum(one.load.bytes for one in lives) / sum(one.load.requests for one in lives)
    rate = figure("service, requests/s", "/s", lives, lambda one: one.load.rate)
    note = f"creates, claims, completes in equal parts; {answer_bytes:.0f} bytes an answer"
    against = ratio("service ÷ floor", lives, floors, aims.ratio)
    held_back = median(one.share for one in floors) < FLOOR_SHARE_AT_LEAST
    if held_back and not against.spoiled:
        against = msgspec.structs.replace(against, spoiled=BUSY)
    pairs = list(zip(lives, floors, strict=False))
    return [
        figure("floor, requests/s", "/s", floors, lambda one: one.load.rate),
        msgspec.structs.replace(rate, note=note),
        against,
        Figure(
            name="CPU per request, floor ÷ service",
            unit="ratio",
            samples=[floor.cpu_us / life.cpu_us for life, floor in pairs],
        ),
        figure("service, p50", "ms", lives, lambda one: one.load.p50_ms),
        figure("service, p99", "ms", lives, lambda one: one.load.p99_ms, aims.p99),
        figure("floor, CPU per request", "µs", floors, lambda one: one.cpu_us),
        figure("service, CPU per request", "µs", lives, lambda one: one.cpu_us),
        figure("floor, share of its core", "", floors, lambda one: one.share),
        figure("service, share of its core", "", lives, lambda one: one.share),
    ]


def _alone(conditions: Conditions, life: Turn, aims: Aims) -> list[Figure]:
    effort = conditions.effort
    turn = msgspec.structs.replace(life, connections=1, seconds=effort.phase_seconds)
    rounds = [take(conditions, turn) for _ in range(effort.phase_rounds)]
    return [
        figure("1 connection, p50", "ms", rounds, lambda one: one.load.p50_ms, aims.alone_p50),
        figure("1 connection, p99", "ms", rounds, lambda one: one.load.p99_ms),
        figure("1 connection, requests/s", "/s", rounds, lambda one: one.load.rate),
    ]
