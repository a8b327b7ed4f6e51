"""Follows the tasks by asking the API, and the workers by listening to them."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from queue import Empty

from orchestrion.demo.api import Api
from orchestrion.demo.events import Event, Kind
from orchestrion.demo.processes import Broken, WorkerProcess
from orchestrion.demo.scene import Figure, Lease, Scene, View
from orchestrion.demo.wire import Task

DEADLINE_SECONDS = 150.0
TICK_SECONDS = 0.05
ASK_SECONDS = 0.5
# Asking shall not take more than this share of the time, however many tasks there are.
ASK_SHARE = 0.2


class Watch:
    """The state of the demonstration, as far as it can be seen from outside."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._began_at = time.monotonic()
        self._next_question_at = 0.0
        self._api: Api | None = None
        self._crew: list[WorkerProcess] = []
        self.events: list[Event] = []
        self.tasks: dict[str, Task] = {}
        self.killed = ""

    @property
    def elapsed_seconds(self) -> float:
        """How long it has been going on."""
        return time.monotonic() - self._began_at

    def follow(self, api: Api, crew: Iterable[WorkerProcess]) -> None:
        """Watch these workers, and the tasks of this account."""
        self._api = api
        self._crew = list(crew)

    def note(self, text: str) -> None:
        """Tell a step of the story."""
        self._view.note(self.elapsed_seconds, text)

    def until(self, reached: Callable[[], bool], what: str) -> None:
        """Watch until this is reached, or give up."""
        while not reached():
            if self.elapsed_seconds > DEADLINE_SECONDS:
                raise Broken(f"gave up after {DEADLINE_SECONDS:.0f} s of waiting for {what}")
            self._listen()
            self._ask()
            self._view.scene(self._scene())
            time.sleep(TICK_SECONDS)

    def told(self, kind: Kind, task_id: str) -> Event | None:
        """Give the last event of a kind about a task."""
        matching = (event for event in reversed(self.events) if event.kind is kind)
        return next((event for event in matching if event.task_id == task_id), None)

    def _listen(self) -> None:
        for worker in self._crew:
            # Looked at first: what it told before its end is still read below.
            ended = worker.ended
            try:
                while True:
                    event = worker.events.get_nowait()
                    self.events.append(event)
                    self._view.event(self.elapsed_seconds, event)
            except Empty:
                if ended and worker.name != self.killed:
                    raise Broken(f"{worker.name} ended: {worker.last_words()}") from None

    def _ask(self) -> None:
        if self._api is None or time.monotonic() < self._next_question_at:
            return
        asked_at = time.monotonic()
        self.tasks = {task.id: task for task in self._api.tasks()}
        took_seconds = time.monotonic() - asked_at
        self._next_question_at = asked_at + max(ASK_SECONDS, took_seconds / ASK_SHARE)

    def _scene(self) -> Scene:
        return Scene(
            elapsed_seconds=self.elapsed_seconds,
            states=Counter(task.status for task in self.tasks.values()),
            workers=[self._figure(worker) for worker in self._crew],
            lease=next(self._orphaned(), None),
        )

    def _orphaned(self) -> Iterator[Lease]:
        for task in self.tasks.values():
            if task.status == "claimed" and task.claimed_by == self.killed:
                yield Lease(
                    worker=self.killed,
                    path=task.payload.path,
                    left_seconds=task.agent_contract.lease_expires_in_seconds,
                    whole_seconds=task.lease_duration_seconds,
                )

    def _figure(self, worker: WorkerProcess) -> Figure:
        own = [event for event in self.events if event.worker == worker.name]
        doing = _doing(own[-1]) if own else "starts"
        return Figure(
            name=worker.name,
            pid=worker.pid,
            doing="killed with SIGKILL" if worker.name == self.killed else doing,
            alive=worker.name != self.killed,
            completed=sum(event.kind is Kind.COMPLETED for event in own),
        )


def _doing(event: Event) -> str:
    match event.kind:
        case Kind.WAITED:
            return f"finds nothing to claim, waits {event.detail} s as told"
        case Kind.CLAIMED:
            return f"reads {event.path} (attempt {event.attempt})"
        case Kind.HEARTBEAT:
            return f"reads {event.path} (attempt {event.attempt}), heartbeat sent"
        case Kind.COMPLETED:
            return f"completed {event.path}"
        case Kind.FAILED:
            return f"failed {event.path}"
        case Kind.LOST:
            return f"lost {event.path}"
