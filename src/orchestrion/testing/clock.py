"""Time of an application under test: it stands still until a test moves it."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from orchestrion.client.exchange import Exchange
from orchestrion.core.instants import SECOND, Instant

# Those who wait for a task or an answer wait in vain so much sooner than they asked for.
WAITING_SPEED: Final = 25.0
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class StoppedTime:
    """The time a service goes by; fits `core.clock.Clock`, and is read from any thread.

    Instants stand still. Spans go on, and fast: only waits are measured by them, and nobody who
    waits in a test wants to sit through it.
    """

    def __init__(self, start: Instant) -> None:
        self._now = start
        self._passed = 0.0
        self._began = time.monotonic()

    def now(self) -> Instant:
        """Give the present instant."""
        return self._now

    def monotonic(self) -> float:
        """Give seconds for measuring how long somebody waits."""
        return self._passed + (time.monotonic() - self._began) * WAITING_SPEED

    def present(self) -> datetime:
        """Give the present instant, aware."""
        return _EPOCH + timedelta(milliseconds=self._now)

    def govern(self, exchange: Exchange) -> None:
        """Have a client go by this time too."""
        exchange.now = self.monotonic
        exchange.present = self.present

    def seconds(self) -> float:
        """Give the present instant in seconds: how leases pass."""
        return self._now / SECOND

    def move(self, now: Instant) -> None:
        """Go on to an instant that is not before the present one."""
        self._passed += (now - self._now) / SECOND
        self._now = now


class LocalClock:
    """The clock of a `LocalOrchestrion`: tests read it and move it."""

    def __init__(self, stopped: StoppedTime, moved: Callable[[], None]) -> None:
        self._time = stopped
        self._moved = moved

    def now(self) -> datetime:
        """Give the present, as aware UTC at millisecond precision."""
        return self._time.present()

    def advance(
        self, *, seconds: float = 0, minutes: float = 0, hours: float = 0, days: float = 0
    ) -> None:
        """Let time pass, and return once all that fell due has happened.

        Leases have run out, waiting claims and waits are answered, tasks scheduled until then can
        be claimed, finished tasks past their retention are gone. Raises ValueError for the past.
        """
        self.set(self.now() + timedelta(seconds=seconds, minutes=minutes, hours=hours, days=days))

    def set(self, moment: datetime) -> None:
        """Go on to a moment, as `advance` does; raises ValueError for the past or no offset."""
        instant = instant_of(moment)
        if instant < self._time.now():
            message = f"time runs forwards only: it is {self.now().isoformat()} already"
            raise ValueError(message)
        self._time.move(instant)
        self._moved()


def instant_of(moment: datetime) -> Instant:
    """Give an aware moment in milliseconds, rounded down; raises ValueError without an offset."""
    if moment.tzinfo is None:
        raise ValueError("give the moment an offset: datetime.now(UTC), not datetime.now()")
    return Instant((moment - _EPOCH) // timedelta(milliseconds=1))
