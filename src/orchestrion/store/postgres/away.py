"""Remembers that the database cannot be reached, and when the next caller may try."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager

from orchestrion.store.postgres.place import Place

_DOUBLINGS_MAX = 16


class Away:
    """Lets everybody connect while that works, and after a failure one caller at a time."""

    def __init__(self, place: Place) -> None:
        self.why = ""
        self._place = place
        self._failures = 0
        self._try_at = 0.0
        self._now_trying = 0

    @property
    def noted(self) -> bool:
        """Whether the last try failed."""
        return self._failures > 0

    def may_try(self) -> bool:
        """Tell whether a caller may try to connect."""
        if not self.noted:
            return True
        return not self._now_trying and asyncio.get_running_loop().time() >= self._try_at

    @contextmanager
    def trying(self) -> Iterator[None]:
        """Note how a try ends."""
        self._now_trying += 1
        try:
            yield
        except Exception as error:
            self._failed(error)
            raise
        else:
            self._failures = 0
            self.why = ""
        finally:
            self._now_trying -= 1

    def _failed(self, error: Exception) -> None:
        self.why = str(error)
        doublings = min(self._failures, _DOUBLINGS_MAX)
        self._failures += 1
        longest = min(self._place.backoff_seconds, self._place.first_backoff_seconds * 2**doublings)
        # At random over the whole pause, so that many servers do not come back as one.
        pause = random.uniform(0, longest)  # noqa: S311 - spreads load, guards nothing
        self._try_at = asyncio.get_running_loop().time() + pause
