"""Callers that wait for tasks to change: told of what is committed here, and of what a poll finds.

What other processes commit is found by the poll alone: wake-ups between processes name types, not
tasks.
"""

import asyncio
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Final, Protocol

from orchestrion.core.clock import Clock
from orchestrion.core.ids import AccountId, TaskId
from orchestrion.core.limits import WATCH_ENTRIES_MAX, WATCHED_TASKS_MAX
from orchestrion.core.outcomes import Rejection
from orchestrion.core.view import TaskKey, View
from orchestrion.core.watching import Goal, Mark, Marks, Seen, mark_of, seen
from orchestrion.engine.alarm import Alarm
from orchestrion.engine.endings import Endings
from orchestrion.engine.ports import Observer
from orchestrion.engine.room import FULL, Patience, Room
from orchestrion.engine.turns import Turns
from orchestrion.engine.writer import Writer

# Where nobody else writes, and where others do.
ALONE_POLL_SECONDS: Final = 5.0
SHARED_POLL_SECONDS: Final = 1.0
# Polls of several processes drift apart.
JITTER_SHARE: Final = 0.25
POLL_TASKS_MAX: Final = 500

Latest = Mapping[TaskId, Mark | None]


class MarkReader(Protocol):
    """What a wait asks of the reader."""

    async def marks(self, account_id: AccountId, ids: Sequence[TaskId]) -> Marks:
        """Read how tasks are, as far as they are the account's."""
        ...


class Watched:
    """One task that is waited for, and how it is as far as is known here."""

    __slots__ = ("mark", "moment", "watches")

    def __init__(self) -> None:
        self.mark: Mark | None = None
        # When that was told, in the order in which it was true; 0: nothing was told yet.
        self.moment = 0
        self.watches: set[Watch] = set()

    def tell(self, task_id: TaskId, mark: Mark | None, moment: int) -> None:
        """Take how the task was at a moment, unless something later is known."""
        if moment < self.moment:
            return
        self.moment = moment
        # Nearly always a poll finds what is known, and then nobody need look at it.
        if mark == self.mark:
            return
        self.mark = mark
        for watch in self.watches:
            watch.tell(task_id, mark)


class Watch:
    """One caller that waits."""

    __slots__ = ("_first", "_met", "account_id", "goal", "over")

    def __init__(self, account_id: AccountId, goal: Goal) -> None:
        self.account_id = account_id
        self.goal = goal
        self.over = asyncio.Event()
        self._first: Marks | None = None
        # Kept up to date one by one, so that what is told of one task costs no look at the others.
        self._met: set[TaskId] = set()

    @property
    def keys(self) -> Iterator[TaskKey]:
        """Name the tasks."""
        return ((self.account_id, task_id) for task_id in self.goal.ids)

    def begin(self, first: Marks, latest: Latest) -> None:
        """Take how the tasks were when the wait began, and how they are by now."""
        self._first = first
        self._met = {
            task_id for task_id in first if self.goal.met_by(first[task_id], latest.get(task_id))
        }
        self._look(first)

    def tell(self, task_id: TaskId, mark: Mark | None) -> None:
        """Take how a task is."""
        first = self._first
        if first is None or task_id not in first:
            return
        if self.goal.met_by(first[task_id], mark):
            self._met.add(task_id)
        else:
            self._met.discard(task_id)
        self._look(first)

    def seen(self, latest: Latest) -> Seen:
        """Sum up what became of the tasks."""
        return seen(self.goal, self._first or {}, latest)

    def _look(self, first: Marks) -> None:
        if self.goal.reached(len(self._met), len(first)):
            self.over.set()


class Watches:
    """Holds callers until their tasks have come to what they wait for."""

    def __init__(self, writer: Writer, reader: MarkReader, clock: Clock, room: Room) -> None:
        self._reader = reader
        self._turns = Turns(reader)
        self._clock = clock
        self._room = room
        self._moments = count(1)
        self._watched: dict[TaskKey, Watched] = {}
        # How many tasks the watches name, one counted as often as it is named.
        self._entries = 0
        self._endings: Endings[Watch] = Endings(clock)
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
        waits = patience.seconds > 0 and not self._stopping
        refused = self._refused(watch, patience) if waits else None
        if refused or not waits:
            marks = await self._marks(watch)
            watch.begin(marks, marks)
            return watch.seen(marks) if watch.over.is_set() or refused is None else refused
        with self._entered(watch, patience.seconds):
            # Whatever is committed from here on is told, so nothing is missed while reading.
            moment = next(self._moments)
            marks = await self._marks(watch)
            for task_id in goal.ids:
                self._watched[account_id, task_id].tell(task_id, marks.get(task_id), moment)
            watch.begin(marks, self._latest(watch))
            await self._rest(watch, patience)
            return watch.seen(self._latest(watch))

    def stop(self) -> None:
        """Answer everybody, and let nobody wait any more."""
        self._stopping = True
        self._alarm.cancel()
        for watches in self._endings.everybody():
            _end(watches)

    def turn(self) -> None:
        """Answer those whose time is up."""
        for watches in self._endings.take_ended():
            _end(watches)
        soonest = min(self._endings.seconds_left(), default=None)
        if soonest is not None:
            self._alarm.within(soonest)

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
        watched = self._watched.get(key)
        if watched is not None:
            watched.tell(key[1], mark, moment)

    async def _marks(self, watch: Watch) -> Marks:
        async with self._turns as reader:
            return await reader.marks(watch.account_id, watch.goal.ids)

    def _latest(self, watch: Watch) -> Latest:
        return {key[1]: self._watched[key].mark for key in watch.keys}

    async def _rest(self, watch: Watch, patience: Patience) -> None:
        began = self._clock.monotonic()
        self.resting += 1
        try:
            await watch.over.wait()
        finally:
            self.resting -= 1
            patience.waited = self._clock.monotonic() - began

    def _refused(self, watch: Watch, patience: Patience) -> Rejection | None:
        new = sum(key not in self._watched for key in watch.keys)
        if len(self._watched) + new > WATCHED_TASKS_MAX:
            return FULL
        if self._entries + len(watch.goal.ids) > WATCH_ENTRIES_MAX:
            return FULL
        return self._room.refused(watch.account_id, patience.waiters_max)

    @contextmanager
    def _entered(self, watch: Watch, seconds: float) -> Iterator[None]:
        span = self._endings.add(watch, seconds)
        self._room.enter(watch.account_id)
        self._entries += len(watch.goal.ids)
        for key in watch.keys:
            self._watched.setdefault(key, Watched()).watches.add(watch)
        self._alarm.within(seconds)
        try:
            yield
        finally:
            self._room.leave(watch.account_id)
            self._entries -= len(watch.goal.ids)
            for key in watch.keys:
                watches = self._watched[key].watches
                watches.discard(watch)
                if not watches:
                    del self._watched[key]
            self._endings.remove(watch, span)


def _end(watches: Iterable[Watch]) -> None:
    for watch in watches:
        watch.over.set()


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
