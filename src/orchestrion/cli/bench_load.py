"""What `orchestrion bench` is asked to do, and how much of it may still begin."""

import time
from collections.abc import Callable
from secrets import token_hex

import msgspec

BATCH_MAX = 50
PAYLOAD_BYTES_MAX = 65_536
FILLED_WITH = "x"
_NAME = "fill"
_EMPTY_BYTES = len(msgspec.json.encode({_NAME: ""}))


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """A load: `workers` at once, until so many `tasks` were begun or `seconds` are over.

    `payload_bytes` is the size of each payload as compact JSON; `batch` is how many tasks go into
    one request. The type is the load's own, so nobody else's task is touched.
    """

    workers: int
    payload_bytes: int
    batch: int
    tasks: int | None
    seconds: float | None
    type: str = msgspec.field(default_factory=lambda: f"bench_{token_hex(6)}")

    @property
    def payload(self) -> dict[str, object]:
        """Give what every task of the load carries."""
        if self.payload_bytes < _EMPTY_BYTES:
            return {}
        return {_NAME: FILLED_WITH * (self.payload_bytes - _EMPTY_BYTES)}


class Allowance:
    """How many tasks may still begin; it ends by number, by time or by hand."""

    def __init__(self, load: Load, clock: Callable[[], float] = time.perf_counter) -> None:
        self._left = load.tasks
        self._clock = clock
        self._began = clock()
        self._seconds = load.seconds

    def take(self, most: int) -> int:
        """Take up to so many; 0 says that it is over."""
        if self._seconds is not None and self.elapsed >= self._seconds:
            return 0
        if self._left is None:
            return most
        taken = min(most, self._left)
        self._left -= taken
        return taken

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return self._clock() - self._began
