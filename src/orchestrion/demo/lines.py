"""Shows the demonstration as plain lines, for pipes and files: no control codes, ever."""

from math import ceil

import click

from orchestrion.demo.events import Event, Kind
from orchestrion.demo.printing import printable
from orchestrion.demo.scene import Scene

COUNTDOWN_SECONDS = 5


class Lines:
    """A view that only appends."""

    def __init__(self) -> None:
        self._step: int | None = None

    def note(self, elapsed_seconds: float, text: str) -> None:
        """Print a step of the story."""
        click.echo(printable(f"{elapsed_seconds:5.1f} s  {text}"))

    def event(self, elapsed_seconds: float, event: Event) -> None:
        """Print the ends of attempts."""
        match event.kind:
            case Kind.COMPLETED | Kind.FAILED | Kind.LOST:
                verb = f"{event.worker} {event.kind.value} {event.path}"
                self.note(elapsed_seconds, f"{verb} (attempt {event.attempt}): {event.detail}")
            case Kind.CLAIMED if event.attempt > 1:
                self.note(
                    elapsed_seconds,
                    f"{event.worker} claimed {event.path} (attempt {event.attempt})",
                )
            case _:
                pass

    def scene(self, scene: Scene) -> None:
        """Print the countdown of the lease, now and then."""
        if scene.lease is None:
            return
        step = ceil(scene.lease.left_seconds / COUNTDOWN_SECONDS)
        if self._step is not None and step != self._step:
            self.note(scene.elapsed_seconds, scene.lease.text)
        self._step = step

    def result(self, lines: list[str]) -> None:
        """Print the last lines."""
        for line in lines:
            if not line.startswith(" "):
                click.echo()
            click.echo(printable(line))
