"""Who is turned away at once while too many requests are in hand; must not ask what is in them.

A process answers requests in turns, so each of those in hand makes the others wait. Turned away
is what costs its caller least: first lists, then new work, then claims, then looks. Whoever holds a
lease is always let in: the work is done, and a refusal would have it done again.
"""

from collections.abc import Callable

import msgspec

from orchestrion.core.operation import Errand
from orchestrion.core.outcomes import Rejection
from orchestrion.engine.overload import overloaded
from orchestrion.engine.ports import Clock, Observer


class DoorLimits(msgspec.Struct, frozen=True, kw_only=True):
    """With how many requests in hand each errand is refused, and after what time of that.

    A crowd that comes at once is let in: it is an overload once it has lasted.
    """

    list_max: int = 128
    create_max: int = 160
    claim_max: int = 192
    get_max: int = 256
    patience_seconds: float = 2
    # A crowd that was gone for longer than this is a new one.
    calm_seconds: float = 0.25


class Door:
    """Counts the requests in hand, without those that only wait for something to happen."""

    def __init__(
        self, limits: DoorLimits, clock: Clock, observer: Observer, resting: Callable[[], int]
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._observer = observer
        self._resting = resting
        self._bounds = {
            Errand.LIST: limits.list_max,
            Errand.CREATE: limits.create_max,
            Errand.CLAIM: limits.claim_max,
            Errand.GET: limits.get_max,
        }
        self._calm_max = min(self._bounds.values())
        self._inside = 0
        self._crowded = False
        # When the present crowd began, or the last one; and when it last became calm.
        self._since = 0.0
        self._calm_at = float("-inf")

    def enter(self) -> None:
        """Count a request that is wholly there: whoever sends slowly takes nobody's place."""
        self._inside += 1
        self._look()

    def leave(self) -> None:
        """Count a request less, whether or not its answer has been read."""
        self._inside -= 1
        self._look()

    def refused(self, errand: Errand) -> Rejection | None:
        """Refuse a request that would enter where too many have been there for too long."""
        if not self._crowded or self._in_hand < self._bounds[errand]:
            return None
        if self._clock.monotonic() - self._since < self._limits.patience_seconds:
            return None
        self._observer.refused(f"door_{errand}")
        return overloaded()

    def _look(self) -> None:
        crowded = self._inside >= self._calm_max and self._in_hand >= self._calm_max
        if crowded is self._crowded:
            return
        self._crowded = crowded
        now = self._clock.monotonic()
        if not crowded:
            self._calm_at = now
        elif now - self._calm_at > self._limits.calm_seconds:
            # Many are answered together, so that even a lasting crowd has gaps.
            self._since = now

    @property
    def _in_hand(self) -> int:
        return self._inside - self._resting()
