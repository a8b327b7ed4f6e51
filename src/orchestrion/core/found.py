"""What a read gives back."""

import msgspec

from orchestrion.core.instants import Instant
from orchestrion.core.task import Task


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Tasks of one read and the time they were read at."""

    tasks: list[Task]
    now: Instant
