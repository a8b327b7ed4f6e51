"""How many task lives the engine commits in a second on PostgreSQL; group commit against none."""

import asyncio

import msgspec

from benchmarks.conditions import Conditions
from benchmarks.embedded import engine, in_own_process
from benchmarks.engine import CALLERS, Span, span
from benchmarks.figures import Figure, Target
from benchmarks.filling import Account
from benchmarks.postgres.server import new_account, opened, server
from orchestrion.engine.overload import QueueLimits

LIVES_AT_LEAST = 5_000
GAIN_AT_LEAST = 3
ACCOUNTS = 16


class Mode(msgspec.Struct, frozen=True, kw_only=True):
    """How the callers are served."""

    name: str
    callers: int = CALLERS
    limits: QueueLimits = QueueLimits()
    lanes: int = 1
    accounts: int = 1
    # Of the span of time that the first mode has.
    share: float = 1


TOGETHER = Mode(name="64 callers")
ONE_BY_ONE = Mode(name="64 callers, batches of one", limits=QueueLimits(batch_max=1), share=0.5)
MODES = (
    TOGETHER,
    ONE_BY_ONE,
    Mode(name="64 callers, 2 lanes", lanes=2, share=0.5),
    Mode(name="64 callers, 2 lanes, batches of 32", lanes=2, limits=QueueLimits(batch_max=32)),
    Mode(name="64 callers, 4 lanes", lanes=4, share=0.5),
    Mode(name="64 callers of 16 accounts", accounts=ACCOUNTS, share=0.5),
    Mode(name="64 callers of 16 accounts, 2 lanes", accounts=ACCOUNTS, lanes=2, share=0.5),
    Mode(name="64 callers of 16 accounts, 4 lanes", accounts=ACCOUNTS, lanes=4, share=0.5),
    Mode(name="1 caller", callers=1, share=0.5),
)


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What the measuring process is told."""

    conditions: Conditions
    url: str
    accounts: tuple[Account, ...]


def measure(conditions: Conditions) -> list[Figure]:
    """Let the modes take turns on one database."""
    both = {conditions.cores.server, conditions.cores.load}
    with server() as database:
        url = database.url()
        accounts = tuple(asyncio.run(new_account(url)) for _ in range(ACCOUNTS))
        given = Given(conditions=conditions, url=url, accounts=accounts)
        spans = in_own_process(both, _measure, given)
    figures = [one for mode in MODES for one in _figures(mode, spans[mode.name])]
    return [figures[0], _gain(spans), *figures[1:]]


def _figures(mode: Mode, spans: list[Span]) -> list[Figure]:
    return [
        Figure(
            name=f"{mode.name}, life cycles/s",
            unit="/s",
            samples=[one.lives / one.wall for one in spans],
            target=Target(at_least=LIVES_AT_LEAST) if mode is TOGETHER else None,
        ),
        Figure(
            name=f"{mode.name}, CPU per life cycle",
            unit="µs",
            samples=[one.cpu / one.lives * 1e6 for one in spans],
        ),
    ]


def _gain(spans: dict[str, list[Span]]) -> Figure:
    pairs = zip(spans[TOGETHER.name], spans[ONE_BY_ONE.name], strict=True)
    return Figure(
        name="64 callers ÷ the same with batches of one",
        unit="ratio",
        samples=[(high.lives / high.wall) / (low.lives / low.wall) for high, low in pairs],
        target=Target(at_least=GAIN_AT_LEAST),
    )


async def _measure(given: Given) -> dict[str, list[Span]]:
    effort = given.conditions.effort
    spans: dict[str, list[Span]] = {mode.name: [] for mode in MODES}
    for number in range(effort.rounds):
        for mode in MODES:
            backend = await opened(given.url, mode.lanes)
            accounts = given.accounts[: mode.accounts]
            async with engine(backend, accounts[0], mode.limits) as used:
                # A session plans every statement once.
                warm_up_seconds = effort.warm_up_seconds / (1 + number)
                await span(used, mode.callers, warm_up_seconds, accounts)
                seconds = effort.engine_seconds * mode.share
                spans[mode.name].append(await span(used, mode.callers, seconds, accounts))
    return spans
