"""What a worker tells about its work: one line of JSON each, made from the API's answers."""

from datetime import datetime
from enum import StrEnum

import msgspec

LINE_BYTES_MAX = 16_384


class Kind(StrEnum):
    """What happened."""

    WAITED = "waited"
    CLAIMED = "claimed"
    HEARTBEAT = "heartbeat"
    COMPLETED = "completed"
    FAILED = "failed"
    LOST = "lost"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to a worker, and to the attempt it holds."""

    kind: Kind
    worker: str
    task_id: str = ""
    path: str = ""
    attempt: int = 0
    status: str = ""  # of the task, as answered
    claimed_at: datetime | None = None  # when the attempt began, by the server's clock
    lease_ends_at: datetime | None = None
    detail: str = ""
