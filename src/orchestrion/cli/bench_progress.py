"""A bar on stderr while a load is at work."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from orchestrion.cli.bench_load import Load
from orchestrion.cli.bench_report import Outcome
from orchestrion.cli.printing import Printer

REFRESH_SECONDS: Final = 0.2


class Run(Protocol):
    """A load at work; `done` counts the tasks that are through."""

    done: int

    async def run(self) -> Outcome:
        """Work until the load is over."""
        ...


@contextmanager
def showing(printer: Printer, load: Load, run: Run) -> Iterator[None]:
    """Show how far a load is until the block ends, on a terminal alone."""
    console = printer.errors()
    if not console.is_terminal or printer.quiet:
        yield
        return
    columns = (TextColumn(load.type), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        watching = asyncio.create_task(_watch(progress, load, run))
        try:
            yield
        finally:
            watching.cancel()


async def _watch(progress: Progress, load: Load, run: Run) -> None:
    bar = progress.add_task("", total=load.tasks)
    while True:
        progress.update(bar, completed=run.done)
        await asyncio.sleep(REFRESH_SECONDS)
