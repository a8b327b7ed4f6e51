"""Callers that wait for tasks to change: told of what is committed here, and of what a poll finds.

What other processes commit is found by the poll alone: wake-ups between processes name types, not
tasks.
"""

import asyncio
import math
import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Final, Protocol, TypeVar

from orchestrion.core.clock import Clock
from orchestrion.core.ids import AccountId, TaskId
from orchestrion.core.limits import WATCHED_TASKS_MAX
from orchestrion.core.outcomes import Rejection
from orchestrion.core.view import TaskKey, View
from orchestrion.core.watching import Goal, Mark, Marks, Seen, mark_of, seen
from orchestrion.engine.alarm import Alarm
from orchestrion.engine.ports import Observer
from orchestrion.engine.room import FULL, Patience, Room
from orchestrion.engine.writer import Writer

# Where nobody else writes, and where others do.
ALONE_POLL_SECONDS: Final = 5.0
SHARED_POLL_SECONDS: Final = 1.0
# Polls of several processes drift apart.
JITTER_SHARE: Final = 0.25
POLL_TASKS_MAX: Final = 500
# Waits whose time is up within one such span are answered together, at its end.
SPAN_SECONDS: Final = 0.1

Key = TypeVar("Key", TaskKey, int)


class MarkReader(Protocol):
    """What a wait asks of the reader."""

    async def marks(self, account_id: AccountId, ids: Sequence[TaskId]) -> Marks:
        """Read how tasks are, as far as they are the account's."""
        ...


class Watch:
    """One caller that waits."""

    __slots__ = ("_first", "_latest", "_told", "account_id", "goal", "over")

    def __init__(self, account_id: AccountId, goal: Goal) -> None:
        self.account_id = account_id
        self.goal = goal
        self.over = asyncio.Event()
        self._first: Marks | None = None
        self._latest: dict[TaskId, Mark] = {}
        # When each task was last told of, in the order in which that was true.
        self._told: dict[TaskId, int] = {}

    @property
    def keys(self) -> Iterator[TaskKey]:
        """Name the tasks."""
        return ((self.account_id, task_id) for task_id in self.goal.ids)

    def begin(self, marks: Marks, moment: int) -> None:
        """Take how the tasks are when the wait begins."""
        for task_id in self.goal.ids:
            self._take(task_id, marks.get(task_id), moment)
        self._first = marks
        self._look()

    def tell(self, task_id: TaskId, mark: Mark | None, moment: int) -> None:
        """Take how a task was at a moment."""
        self._take(task_id, mark, moment)
        self._look()

    @property
    def seen(self) -> Seen:
        """What became of the tasks."""
        return seen(self.goal, self._first or {}, self._latest)

    def _take(self, task_id: TaskId, mark: Mark | None, moment: int) -> None:
        # Unless something later is known.
        if moment < self._told.get(task_id, 0):
            return
        self._told[task_id] = moment
        if mark is None:
            self._latest.pop(task_id, None)
        else:
            self._latest[task_id] = mark

    def _look(self) -> None:
        if self._first is not None and self.goal.reached(self._first, self._latest):
            self.over.set()


class Watches:
    """Holds callers until their tasks have come to what they wait for."""

    def __init__(self, writer: Writer, reader: MarkReader, clock: Clock, room: Room) -> None:
        self._reader = reader
        self._clock = clock
        self._room = room
        self._moments = count(1)
        self._watched: dict[TaskKey, set[Watch]] = {}
        # By the span in which their time is up.
        self._ending: dict[int, set[Watch]] = {}
        self._alarm = Alarm(self.turn)
        self._stopping = False
        # How many wait, having seen how their tasks are.
        self.resting = 0
        writer.listeners.append(self._committed)

    @property
    def watched(self) -> int:
        """How many tasks are waited for."""
        return len(self._watched)

    async def wait(self, account_id: AccountId, goal: Goal, patience: Patience) -> Seen | Rejection:
        """Wait until the tasks have come to it; not at all, if they have already."""
        watch = Watch(account_id, goal)
        refused = self._refused(watch, patience)
        if refused or not patience.seconds or self._stopping:
            watch.begin(await self._reader.marks(account_id, goal.ids), next(self._moments))
            return watch.seen if watch.over.is_set() or refused is None else refused
        with self._entered(watch, patience.seconds):
            # Whatever is committed from here on is told, so nothing is missed while reading.
            moment = next(self._moments)
            watch.begin(await self._reader.marks(account_id, goal.ids), moment)
            began = self._clock.monotonic()
            self.resting += 1
            try:
                await watch.over.wait()
            finally:
                self.resting -= 1
                patience.waited = self._clock.monotonic() - began
        return watch.seen

    def stop(self) -> None:
        """Answer everybody, and let nobody wait any more."""
        self._stopping = True
        self._alarm.cancel()
        for watches in self._ending.values():
            _end(watches)

    def turn(self) -> None:
        """Answer those whose time is up."""
        monotonic = self._clock.monotonic()
        for span, watches in self._ending.items():
            if span * SPAN_SECONDS <= monotonic:
                _end(watches)
        waits = [left for one in self._ending if (left := one * SPAN_SECONDS - monotonic) > 0]
        if waits:
            self._alarm.within(min(waits))

    async def poll(self) -> None:
        """Read how everything is that is waited for."""
        for account_id, ids in _in_parts(self._watched):
            moment = next(self._moments)
            marks = await self._reader.marks(account_id, ids)
            for task_id in ids:
                self._tell((account_id, task_id), marks.get(task_id), moment)

    async def run(self, every_seconds: float, observer: Observer) -> None:
        """Poll until cancelled; what breaks is made up for by the next poll."""
        while True:
            early = random.random() * JITTER_SHARE  # noqa: S311 - no secret
            await asyncio.sleep(every_seconds * (1 - early))
            try:
                await self.poll()
            except Exception as error:  # noqa: BLE001 - see above
                observer.fault("watches_poll_failed", "", error)

    def _committed(self, view: View) -> None:
        if not self._watched:
            return
        moment = next(self._moments)
        for key, task in view.changed_tasks.items():
            self._tell(key, mark_of(task), moment)
        for key in view.deleted_tasks:
            self._tell(key, None, moment)

    def _tell(self, key: TaskKey, mark: Mark | None, moment: int) -> None:
        for watch in self._watched.get(key, ()):
            watch.tell(key[1], mark, moment)

    def _refused(self, watch: Watch, patience: Patience) -> Rejection | None:
        new = sum(key not in self._watched for key in watch.keys)
        if len(self._watched) + new > WATCHED_TASKS_MAX:
            return FULL
        return self._room.refused(watch.account_id, patience.waiters_max)

    @contextmanager
    def _entered(self, watch: Watch, seconds: float) -> Iterator[None]:
        span = math.ceil((self._clock.monotonic() + seconds) / SPAN_SECONDS)
        self._room.enter(watch.account_id)
        for key in watch.keys:
            self._watched.setdefault(key, set()).add(watch)
        self._ending.setdefault(span, set()).add(watch)
        self._alarm.within(seconds)
        try:
            yield
        finally:
            self._room.leave(watch.account_id)
            for key in watch.keys:
                _discard(self._watched, key, watch)
            _discard(self._ending, span, watch)


def _end(watches: Iterable[Watch]) -> None:
    for watch in watches:
        watch.over.set()


def _discard(sets: dict[Key, set[Watch]], key: Key, watch: Watch) -> None:
    sets[key].discard(watch)
    if not sets[key]:
        del sets[key]


def _in_parts(keys: Iterable[TaskKey]) -> list[tuple[AccountId, Sequence[TaskId]]]:
    """Gather tasks by account, so many at a time."""
    of_account: dict[AccountId, list[TaskId]] = {}
    for account_id, task_id in keys:
        of_account.setdefault(account_id, []).append(task_id)
    return [
        (account_id, ids[first : first + POLL_TASKS_MAX])
        for account_id, ids in of_account.items()
        for first in range(0, len(ids), POLL_TASKS_MAX)
    ]
