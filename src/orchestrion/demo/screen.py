"""Shows the demonstration on a terminal: a table that lives, and the story above it."""

from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orchestrion.demo.events import Event, Kind
from orchestrion.demo.printing import printable
from orchestrion.demo.scene import Scene
from orchestrion.demo.wire import Status

BAR_WIDTH = 40
STATES: tuple[Status, ...] = ("pending", "claimed", "completed", "dead_letter")


class Screen:
    """A view that redraws."""

    def __init__(self, console: Console) -> None:
        self._console = console
        # Drawn only when there is something new, by the caller's thread: no thread of its own.
        self._live = Live(console=console, auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()

    def note(self, elapsed_seconds: float, text: str) -> None:
        """Print a step of the story above the table."""
        line = Text.assemble((f"{elapsed_seconds:5.1f} s  ", "dim"), printable(text))
        self._console.print(line)

    def event(self, elapsed_seconds: float, event: Event) -> None:
        """Print what matters to the story; the table shows the rest."""
        if event.kind in (Kind.FAILED, Kind.LOST):
            text = f"{event.worker} {event.kind.value} {event.path}: {event.detail}"
            self.note(elapsed_seconds, text)
        elif event.kind is Kind.CLAIMED and event.attempt > 1:
            text = f"{event.worker} claimed {event.path} (attempt {event.attempt})"
            self.note(elapsed_seconds, text)

    def scene(self, scene: Scene) -> None:
        """Redraw the table."""
        gap = Text()
        picture = Group(
            gap, _progress(scene), _states(scene), gap, _workers(scene), gap, _lease(scene)
        )
        self._live.update(picture, refresh=True)

    def result(self, lines: list[str]) -> None:
        """Print the last lines, below the table as it was in the end."""
        self._live.stop()
        for line in lines:
            heading = not line.startswith(" ")
            if heading:
                self._console.print()
            self._console.print(Text(printable(line), style="bold" if heading else ""))


def _progress(scene: Scene) -> RenderableType:
    total = sum(scene.states.values())
    completed = scene.states.get("completed", 0)
    time = Text(f"{scene.elapsed_seconds:.0f} s", style="dim")
    return _row(_bar(completed, max(total, 1), "green"), f"{completed} of {total} completed", time)


def _states(scene: Scene) -> RenderableType:
    return Text("   ".join(f"{state} {scene.states.get(state, 0)}" for state in STATES))


def _workers(scene: Scene) -> RenderableType:
    table = Table(box=None, pad_edge=False)
    table.add_column("worker")
    table.add_column("process", justify="right")
    table.add_column("completed", justify="right")
    table.add_column("doing", no_wrap=True)
    for worker in scene.workers:
        doing = Text(printable(worker.doing))
        style = "" if worker.alive else "red"
        table.add_row(worker.name, str(worker.pid), str(worker.completed), doing, style=style)
    return table


def _lease(scene: Scene) -> RenderableType:
    lease = scene.lease
    if lease is None:
        return ""
    text = f"{lease.left_seconds} s left of the lease of {lease.worker}"
    return _row(_bar(lease.left_seconds, lease.whole_seconds, "yellow"), Text(text, "yellow"))


def _bar(completed: int, total: int, colour: str) -> ProgressBar:
    return ProgressBar(
        total=total,
        completed=completed,
        width=BAR_WIDTH,
        complete_style=colour,
        finished_style=colour,
    )


def _row(*cells: RenderableType) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_row(*cells)
    return grid
