"""What there is to see at one moment, and who shows it."""

from typing import Protocol

import msgspec

from orchestrion.demo.events import Event
from orchestrion.demo.wire import Status


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One worker and what it does."""

    name: str
    pid: int
    doing: str
    completed: int
    alive: bool


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """The lease a killed worker left behind, as the API counts it down."""

    worker: str
    path: str
    left_seconds: int
    whole_seconds: int

    @property
    def text(self) -> str:
        """Say how long it still stands."""
        if not self.left_seconds:
            return f"the lease of {self.worker} has ended: the next claim gets {self.path}"
        return f"the lease of {self.worker} on {self.path} ends in {self.left_seconds} s"


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """Everything at one moment."""

    elapsed_seconds: float
    states: dict[Status, int]
    workers: list[Figure]
    lease: Lease | None


class View(Protocol):
    """Where the demonstration is shown."""

    def note(self, elapsed_seconds: float, text: str) -> None:
        """Tell a step of the story."""

    def event(self, elapsed_seconds: float, event: Event) -> None:
        """Tell what a worker did."""

    def scene(self, scene: Scene) -> None:
        """Show how things stand."""

    def result(self, lines: list[str]) -> None:
        """Print the last lines; those that begin a section have no indentation."""
