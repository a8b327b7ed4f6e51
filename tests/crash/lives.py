"""Lets the real engine live on recorded files, and notes what it promised its callers and when."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random
from typing import Final
from unittest import mock

import msgspec

from orchestrion.core.commands import Command, CreateTask, PurgeFinished, RegisterKey
from orchestrion.core.ids import KeyId, TaskId
from orchestrion.core.instants import DAY, SECOND
from orchestrion.core.lease import Completion, Failure
from orchestrion.core.outcomes import Changed, Held, Registered, Swept
from orchestrion.core.plans import SELF_HOSTED
from orchestrion.core.task import ENDED, Task
from orchestrion.engine.writer import Writer
from orchestrion.store.sqlite import store
from orchestrion.store.sqlite.database import Place, open_writer
from orchestrion.store.sqlite.loading import Loader
from orchestrion.store.sqlite.store import SqliteStore
from tests.clocks import SettableClock
from tests.crash.recording import Event, Recorder
from tests.factories import ACCOUNT_ID, expect
from tests.observers import KeepingObserver
from tests.unit import asks

CALLERS: Final = 6
TASKS_PER_CALLER: Final = 6
PAYLOAD_BYTES: Final = (20, 300, 3_000, 12_000)
# Small, so that one short life moves pages into the file many times.
CHECKPOINT_PAGES: Final = 60
_PURGED_AT_ONCE: Final = 5
PATIENCE_SECONDS: Final = 60.0
# How a life treats its log: let it be, as a server does by default, or cut it at each checkpoint.
_LOG_PAGES_MAX: Final = (50_000, 1)


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A task as a caller was told that it is; None once it was purged.

    `asked_at` and `told_at` are places in the log: before and after the command was carried out.
    """

    row: Task | None
    asked_at: int
    told_at: int


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """A life: what was asked of the disk, each task's versions, and the creates as sent."""

    events: list[Event]
    versions: dict[TaskId, list[Version]]
    creates: dict[TaskId, CreateTask]


async def record(path: Path, random: Random, synchronous: str) -> Recorded:
    """Live on new files at a path; `synchronous` is SQLite's, where a server says `full`."""
    recorder = Recorder()
    life = _Life(path, recorder, random)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            for log_pages_max in _LOG_PAGES_MAX:
                with (
                    mock.patch.object(store, "CHECKPOINT_PAGES", CHECKPOINT_PAGES),
                    mock.patch.object(store, "WAL_PAGES_MAX", log_pages_max),
                ):
                    await life.between_two_starts(synchronous)
    finally:
        recorder.unregister()
    return Recorded(events=recorder.events, versions=life.versions, creates=life.creates)


class _Life:
    def __init__(self, path: Path, recorder: Recorder, random: Random) -> None:
        self._place = Place(path=path, vfs=recorder.label)
        self._events = recorder.events
        self._random = random
        self._clock = SettableClock()
        self._numbers = itertools.count(1)
        self.versions: dict[TaskId, list[Version]] = {}
        self.creates: dict[TaskId, CreateTask] = {}

    async def between_two_starts(self, synchronous: str) -> None:
        """Serve callers, purge what is old while others go on, and stop cleanly."""
        async with self._writer(synchronous) as writer:
            if not self.versions:
                await self._register(writer)
            await self._serve(writer)
            self._clock.advance(31 * DAY / SECOND)
            await asyncio.gather(self._purge(writer), self._serve(writer))

    @contextlib.asynccontextmanager
    async def _writer(self, synchronous: str) -> AsyncIterator[Writer]:
        connection = open_writer(self._place)
        connection.pragma("synchronous", synchronous)
        kept = SqliteStore(connection, self._clock, Loader(connection, SELF_HOSTED.lease_bounds))
        writer = Writer(kept, SELF_HOSTED, self._clock, KeepingObserver())
        running = asyncio.create_task(writer.run())
        try:
            yield writer
        finally:
            writer.stop()
            await running
            await kept.close()

    async def _register(self, writer: Writer) -> None:
        key = RegisterKey(
            account_id=ACCOUNT_ID, key_id=KeyId("key_1"), key_hash=b"hash", email=None
        )
        expect(Registered, await writer.submit(key))

    async def _serve(self, writer: Writer) -> None:
        callers = [Random(self._random.getrandbits(64)) for _ in range(CALLERS)]
        await asyncio.gather(*(self._call(writer, random) for random in callers))

    async def _call(self, writer: Writer, random: Random) -> None:
        for _ in range(TASKS_PER_CALLER):
            create = self._create(random)
            self.creates[create.task_id] = create
            task = await self._ask(writer, create)
            for command in self._rest(task.id, random):
                task = await self._ask(writer, command)

    def _create(self, random: Random) -> CreateTask:
        number = next(self._numbers)
        text = format(random.getrandbits(4 * random.choice(PAYLOAD_BYTES)), "x")
        return asks.create(
            number,
            payload=f'{{"number":{number},"text":"{text}"}}',
            max_attempts=1,
            idempotency_key=f"create {number}",
            request_digest=b"%d" % number,
        )

    def _rest(self, task_id: TaskId, random: Random) -> Iterator[Command]:
        """Give what becomes of a task after its creation."""
        ending = random.choice(
            ("complete", "complete", "fail", "requeue", "cancel", "hold", "none")
        )
        if ending == "none":
            return
        if ending == "cancel":
            yield asks.cancel(task_id)
            return
        number = next(self._numbers)
        token = asks.a_token(number)
        yield asks.claim_task(task_id, number)
        yield asks.heartbeat(task_id, token)
        if ending == "complete":
            done = Completion(result=f'{{"done":{number}}}')
            yield asks.complete(task_id, token, completion=done)
        elif ending in ("fail", "requeue"):
            yield asks.fail(task_id, token, failure=Failure(reason=f"no ink in {number}"))
        if ending == "requeue":
            yield asks.requeue(task_id)

    async def _ask(self, writer: Writer, command: Command) -> Task:
        self._clock.advance(0.01)
        asked_at = len(self._events)
        outcome = await writer.submit(command)
        assert isinstance(outcome, Changed | Held), outcome
        self._tell(outcome.task.id, outcome.task, asked_at)
        return outcome.task

    def _tell(self, task_id: TaskId, row: Task | None, asked_at: int) -> None:
        version = Version(row=row, asked_at=asked_at, told_at=len(self._events))
        self.versions.setdefault(task_id, []).append(version)

    async def _purge(self, writer: Writer) -> None:
        """Delete most of what has ended, a few at a time."""
        ended = [
            task_id
            for task_id, known in self.versions.items()
            if (row := known[-1].row) is not None and row.status in ENDED
        ]
        for start in range(0, len(ended) * 3 // 4, _PURGED_AT_ONCE):
            some = ended[start : start + _PURGED_AT_ONCE]
            asked_at = len(self._events)
            command = PurgeFinished(account_id=ACCOUNT_ID, task_ids=tuple(some))
            swept = expect(Swept, await writer.submit(command))
            assert swept.count == len(some)
            for task_id in some:
                self._tell(task_id, None, asked_at)
