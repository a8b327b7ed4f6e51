"""What a handler may return or raise to say how its attempt ends."""

import math
import random
from collections.abc import Mapping
from datetime import timedelta
from numbers import Real
from typing import Any, Final

import msgspec

from orchestrion.client.errors import OrchestrionError

# What the server accepts as a delay, in seconds.
DELAY_MIN: Final = 1
DELAY_MAX: Final = 86_400
EXPONENT_MAX: Final = 64


class Retry(Exception):
    """Raised by a handler: fail this attempt, and hand the task out again after `after` seconds.

    `after` may be a timedelta. Without it the handler's `backoff` decides; if that is None
    it is claimable at once. On the last attempt the task goes to `dead_letter`. Raises TypeError
    for an `after` that is no duration, ValueError for one that is not finite.
    """

    def __init__(self, reason: str = "", *, after: float | timedelta | None = None) -> None:
        super().__init__(reason)
        self.reason = str(reason)
        self.after = None if after is None else _duration(after)


class LeaseLost(OrchestrionError):
    """Raised by `ctx.raise_if_lost()`: the task is not this worker's any more."""


class OutputRef(msgspec.Struct, frozen=True):
    """Returned by a handler: the output is an artifact stored elsewhere, under this id.

    `result` may say more about it, as a JSON object.
    """

    output_id: str
    result: Mapping[str, Any] | None = None


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """How long a failed task rests: `initial` seconds, `factor` times more each attempt.

    At most `max` seconds; `jitter` is the share by which each delay varies, up or down.
    """

    initial: float = 5.0
    factor: float = 2.0
    max: float = 600.0
    jitter: float = 0.2

    def delay(self, attempt: int) -> int:
        """Give the seconds to wait after this attempt, of which 1 is the first."""
        grown = self.initial * self.factor ** min(attempt - 1, EXPONENT_MAX)
        varied = min(self.max, grown) * random.uniform(  # noqa: S311 - no secret
            1 - self.jitter, 1 + self.jitter
        )
        return seconds(min(varied, self.max))


# What fails at once would else use all attempts up at once.
BACKOFF: Final = Backoff(initial=1.0)


def _duration(after: float | timedelta) -> float:
    if isinstance(after, timedelta):
        return after.total_seconds()
    if not isinstance(after, Real) or isinstance(after, bool):
        raise TypeError(f"after is a number of seconds or a timedelta, not {after!r}")
    if not math.isfinite(after):
        raise ValueError(f"after is a number of seconds or a timedelta, not {after!r}")
    return float(after)


def seconds(delay: float) -> int:
    """Give a delay in whole seconds, rounded and held within what the server accepts."""
    return max(DELAY_MIN, min(DELAY_MAX, round(delay)))
