"""Opens an image as a server would and looks for what it promised before the cut."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import apsw
import msgspec

from orchestrion.core.clock import Clock
from orchestrion.core.commands import Command
from orchestrion.core.decide import decide
from orchestrion.core.faults import Fault, StoreRefused
from orchestrion.core.ids import TaskId
from orchestrion.core.instants import SECOND, Instant
from orchestrion.core.limits import IDEMPOTENCY_LIFE_SECONDS
from orchestrion.core.needs import needs_of
from orchestrion.core.outcomes import Outcome, Replayed
from orchestrion.core.plans import SELF_HOSTED
from orchestrion.core.task import Task
from orchestrion.core.view import Needs, View
from orchestrion.store.sqlite.backend import Backend
from orchestrion.store.sqlite.database import Place, open_reader
from tests.clocks import SettableClock
from tests.crash.images import Image
from tests.crash.lives import Recorded, Version
from tests.crash.recording import DATABASE, WAL
from tests.disks import Disk
from tests.factories import ACCOUNT_ID

CORRUPT: Final = "corrupt"
LOST: Final = "lost"
INVENTED: Final = "invented"
BACKWARDS: Final = "backwards"
_ENDINGS: Final = (DATABASE, WAL, "-journal", "-shm")


class Problem(msgspec.Struct, frozen=True):
    """A promise that an image breaks: of which kind, and how."""

    kind: str
    says: str


class Examiner:
    """Looks at the images of one life, in one folder."""

    def __init__(self, folder: Path, recorded: Recorded, disk: Disk) -> None:
        self._place = Place(path=folder / "image.db", vfs=disk.label)
        self._recorded = recorded

    async def problems(self, image: Image) -> list[Problem]:
        """Open an image and say what is wrong with it."""
        self._write(image)
        marks: list[Instant] = []

        def clock(mark: Instant) -> Clock:
            marks.append(mark)
            return SettableClock(mark)

        try:
            backend = Backend(self._place, clock, SELF_HOSTED)
        except StoreRefused as refused:
            return [Problem(CORRUPT, str(refused))]
        try:
            unsound = self._unsound()
            return unsound or await self._broken(backend, image.at, marks[0])
        except (Fault, apsw.Error) as fault:
            return [Problem(CORRUPT, repr(fault))]
        finally:
            await backend.close()

    def _write(self, image: Image) -> None:
        for ending in _ENDINGS:
            path = self._place.path.with_name(self._place.path.name + ending)
            content = image.files.get(ending)
            if content is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(content)

    def _unsound(self) -> list[Problem]:
        with contextlib.closing(open_reader(self._place)) as reader:
            said = [str(row[0]) for row in reader.execute("pragma integrity_check")]
            orphans = reader.execute("pragma foreign_key_check").fetchall()
        wrong = [one for one in said if one != "ok"] + [f"no parent: {one}" for one in orphans]
        return [Problem(CORRUPT, one) for one in wrong]

    async def _broken(self, backend: Backend, at: int, mark: Instant) -> list[Problem]:
        rows = await _rows(backend, self._recorded)
        found = list(self._differences(rows, at))
        with contextlib.closing(open_reader(self._place)) as reader:
            there = {TaskId(one) for (one,) in reader.execute("select id from tasks")}
        found += [Problem(INVENTED, one) for one in there - self._recorded.versions.keys()]
        latest = max((one.updated_at for one in rows.values()), default=Instant(0))
        if mark < latest:
            found.append(Problem(BACKWARDS, f"time starts at {mark}, and {latest} was used"))
        return found or await self._repeats(backend, at, rows)

    def _differences(self, rows: dict[TaskId, Task], at: int) -> Iterator[Problem]:
        for task_id, versions in self._recorded.versions.items():
            row = rows.get(task_id)
            if row not in _allowed(versions, at):
                told = [one for one in versions if one.told_at <= at]
                wanted = _shown(told[-1].row) if told else "none"
                yield Problem(LOST, f"{task_id} is {_shown(row)}, and {wanted} was acknowledged")

    async def _repeats(self, backend: Backend, at: int, rows: dict[TaskId, Task]) -> list[Problem]:
        """Repeat the newest acknowledged create whose key still lives: it is known, writes work."""
        life, now = IDEMPOTENCY_LIFE_SECONDS * SECOND, backend.clock.now()
        told = [
            (versions[0].told_at, task_id)
            for task_id, versions in self._recorded.versions.items()
            if versions[0].told_at <= at and task_id in rows
            if now < rows[task_id].created_at + life
        ]
        if not told:
            return []
        create = self._recorded.creates[max(told)[1]]
        outcome = await _done(backend, create)
        if isinstance(outcome, Replayed):
            return []
        return [Problem(LOST, f"the key of {create.task_id}: its repeat was {outcome}")]


def _allowed(versions: list[Version], at: int) -> list[Task | None]:
    """Give what a task may be: as last acknowledged, or as somebody had asked by then."""
    told = sum(one.told_at <= at for one in versions)
    asked = [one.row for one in versions[told:] if one.asked_at <= at]
    return [versions[told - 1].row if told else None, *asked]


async def _rows(backend: Backend, recorded: Recorded) -> dict[TaskId, Task]:
    needs = Needs()
    needs.tasks = {(ACCOUNT_ID, task_id) for task_id in recorded.versions}

    def look(view: View) -> dict[TaskId, Task]:
        found = {task_id: view.task(ACCOUNT_ID, task_id) for task_id in recorded.versions}
        return {task_id: row for task_id, row in found.items() if row is not None}

    return await backend.store.transact(needs, look)


async def _done(backend: Backend, command: Command) -> Outcome:
    def decided(view: View) -> Outcome:
        return decide(command, SELF_HOSTED, view)

    return await backend.store.transact(needs_of([command]), decided)


def _shown(row: Task | None) -> str:
    return "not there" if row is None else f"{row.status} ({len(row.payload)} bytes of payload)"
