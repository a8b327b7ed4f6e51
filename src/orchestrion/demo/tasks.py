"""The tasks of the demonstration: one for each file, and one whose file is not there yet."""

from pathlib import Path

import msgspec

from orchestrion.demo.api import Api
from orchestrion.demo.files import Source, source
from orchestrion.demo.wire import Creation, Task, Work
from orchestrion.demo.worker import TASK_TYPE

LEASE_SECONDS = 30  # the shortest the API allows
ATTEMPTS_MAX = 3
ABSENT_ATTEMPTS_MAX = 2
# The worker to be killed must be in the middle of its task long enough to be met there.
LONG_READ_SECONDS = 5.0
READ_SECONDS_MAX = 0.8
ALL_READS_SECONDS = 45.0
LONG_PRIORITY = 100
ABSENT_PRIORITY = 50
PRIORITY = 0
ABSENT_PATH = "to-be-written.md"
ABSENT_TEXT = """# Written while you watched

This file was missing when its task was created. It was put in place after the task had failed
for good. Then the task was requeued, and a worker [counted](https://example.com/) these words.
"""


class Cast(msgspec.Struct, frozen=True, kw_only=True):
    """The tasks as they were created."""

    tasks: list[Task]
    long: Task  # of the largest file: its worker is killed
    absent: Task  # its file is missing at first
    repeated: Task  # the answer when the creation of the long one was sent again


def absent_file(folder: Path) -> Path:
    """Say where the missing file belongs."""
    return folder / ABSENT_PATH


def create(api: Api, sources: list[Source], folder: Path) -> Cast:
    """Create all tasks; the largest file comes first, the missing one second."""
    largest = max(sources, key=lambda each: each.size_bytes)
    others = [each for each in sources if each is not largest]
    read_seconds = min(READ_SECONDS_MAX, ALL_READS_SECONDS / len(sources))
    long = _creation(largest, LONG_READ_SECONDS, LONG_PRIORITY)
    absent = msgspec.structs.replace(
        _creation(source(absent_file(folder), ABSENT_PATH), read_seconds, ABSENT_PRIORITY),
        max_attempts=ABSENT_ATTEMPTS_MAX,
    )
    creations = [long, absent, *(_creation(each, read_seconds, PRIORITY) for each in others)]
    tasks = [api.create(creation, f"demo-{number}") for number, creation in enumerate(creations, 1)]
    return Cast(tasks=tasks, long=tasks[0], absent=tasks[1], repeated=api.create(long, "demo-1"))


def _creation(each: Source, seconds: float, priority: int) -> Creation:
    return Creation(
        type=TASK_TYPE,
        payload=Work(path=each.path, text=each.text, seconds=seconds),
        priority=priority,
        max_attempts=ATTEMPTS_MAX,
        lease_duration_seconds=LEASE_SECONDS,
    )
