"""How an account's numbers look to people."""

from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestrion.cli.printing import cell
from orchestrion.cli.tasks_table import clock_time
from orchestrion.client.insight import Counts, Rates, Stats, TypeStats

STATES = ("pending", "claimed", "completed", "dead_letter", "cancelled")
RATES = ("created", "claimed", "completed", "failed", "dead_lettered", "cancelled")
COLOURS = {"claimed": "cyan", "completed": "green", "dead_letter": "red"}


def picture(stats: Stats) -> RenderableType:
    """Draw the numbers: the account, its rates, then each type."""
    parts: list[RenderableType] = [_states(stats), Text(), _moments(stats)]
    if stats.types:
        parts += [Text(), _types(stats)]
    if stats.types_truncated:
        parts.append(Text("There are more types than are shown.", "dim"))
    return Group(*parts)


def _states(stats: Stats) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for state in STATES:
        table.add_column(state, justify="right", style=COLOURS.get(state))
    table.add_row("tasks", *(f"{_count(stats.counts, state):,}" for state in STATES))
    return table


def _moments(stats: Stats) -> Table:
    grid = Table.grid(padding=(0, 2))
    rates = "  ".join(f"{name} {_rate(stats.rates, name):,.1f}" for name in RATES)
    grid.add_row(Text("per minute", "dim"), Text(rates))
    if stats.scheduled is not None:
        grid.add_row(Text("scheduled", "dim"), Text(f"{stats.scheduled:,} of those pending"))
    for name, instant in (
        ("oldest pending", stats.oldest_pending_at),
        ("oldest due", stats.oldest_due_at),
        ("next lease ends", stats.next_lease_expires_at),
    ):
        if instant is not None:
            grid.add_row(Text(name, "dim"), Text(_moment(instant, stats.as_of)))
    grid.add_row(Text("as of", "dim"), Text(f"{clock_time(stats.as_of)} UTC"))
    return grid


def _types(stats: Stats) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("type", no_wrap=True)
    for state in STATES:
        table.add_column(state, justify="right", style=COLOURS.get(state))
    table.add_column("oldest", justify="right")
    table.add_column("done/min", justify="right")
    for one in stats.types:
        table.add_row(*_type_row(one, stats.as_of))
    return table


def _type_row(one: TypeStats, now: datetime) -> list[RenderableType]:
    oldest = one.oldest_due_at
    return [
        cell(one.type),
        *(f"{_count(one.counts, state):,}" for state in STATES),
        "" if oldest is None else _length((now - oldest).total_seconds()),
        f"{one.rates.completed_per_minute:,.1f}",
    ]


def _count(counts: Counts, state: str) -> int:
    number: int = getattr(counts, state)
    return number


def _rate(rates: Rates, name: str) -> float:
    number: float = getattr(rates, f"{name}_per_minute")
    return number


def _moment(instant: datetime, now: datetime) -> str:
    seconds = (instant - now).total_seconds()
    words = f"in {_length(seconds)}" if seconds > 0 else f"{_length(-seconds)} ago"
    return f"{clock_time(instant)} UTC, {words}"


def _length(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{max(seconds, 0):.0f} s"
