"""When to send a request again, and after how long; nothing here sleeps or reads a clock."""

import math
from collections.abc import Callable

import msgspec

from orchestrion.client.call import Repeat
from orchestrion.client.errors import Refusal

# The longest pause that grows by itself; what the server asks for may be longer.
PAUSE_SECONDS_MAX = 8.0
PAUSE_SECONDS_FIRST = 0.5
DOUBLINGS_MAX = 10
# Who waits for something counts seconds, not tries.
PATIENT_RETRIES_MAX = 1000
_TOO_MANY = 429
_FAULT = 500


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How often a call is repeated, and how many seconds after its first failure at most."""

    max_retries: int = 5
    retry_seconds: float = 60.0


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """Why a try came to nothing: a refusal, or no answer. `sent`: it may have taken effect.

    `late`: there was no answer within the time a request may take.
    """

    message: str
    sent: bool
    late: bool = False
    refusal: Refusal | None = None


class RetryNote(msgspec.Struct, frozen=True, kw_only=True):
    """What `on_retry` is told before the pause: the repeat to come is number `retry`, from 1."""

    method: str
    path: str
    retry: int
    pause_seconds: float
    trouble: Trouble


def repeatable(trouble: Trouble, repeat: Repeat) -> bool:
    """Tell whether the same request may be sent again, and can come to more."""
    refusal = trouble.refusal
    if refusal is None:
        return repeat is Repeat.ALWAYS or not trouble.sent
    if refusal.status != _TOO_MANY and refusal.status < _FAULT:
        return False
    return refusal.contract.retryable and (repeat is Repeat.ALWAYS or not trouble.sent)


class Attempts:
    """The tries of one call: how many there were, and since when they fail."""

    def __init__(
        self, limits: Limits, draw: Callable[[], float], patience: float | None = None
    ) -> None:
        # `draw` gives a number from 0 to 1; with `patience` in seconds tries are not counted.
        patient = patience is not None and limits.max_retries > 0
        self._retries_max = PATIENT_RETRIES_MAX if patient else limits.max_retries
        self._seconds = min(limits.retry_seconds, math.inf if patience is None else patience)
        self._draw = draw
        self._failing_since: float | None = None
        self.retries = 0

    def pause_after(self, trouble: Trouble, repeat: Repeat, now: float) -> float | None:
        """Give the seconds to wait before the next try, or None to give up."""
        if self._failing_since is None:
            self._failing_since = now
        if self.retries >= self._retries_max or not repeatable(trouble, repeat):
            return None
        grown = min(
            PAUSE_SECONDS_MAX, PAUSE_SECONDS_FIRST * 2.0 ** min(self.retries, DOUBLINGS_MAX)
        )
        asked = trouble.refusal.retry_after if trouble.refusal else None
        # Never before the moment the server named; and not all at that very moment.
        pause = grown * self._draw() + (asked or 0.0)
        if now + pause - self._failing_since > self._seconds:
            return None
        self.retries += 1
        return pause
