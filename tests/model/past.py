"""The oracle's own machine: what became of the task so far and what a request must come to.

Written from the promises, beside the core: it shares no rule with it.
"""

from typing import Final

import msgspec
from msgspec.structs import replace

PENDING: Final = "pending"
CLAIMED: Final = "claimed"
COMPLETED: Final = "completed"
DEAD_LETTER: Final = "dead_letter"
CANCELLED: Final = "cancelled"


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """What was done so far; `token` is the number of the last lease, each greater than the last.

    `until`: when the current lease ends, None without one. `done`: the result that was accepted,
    by number. `given_back`: with which verb the last lease was given back. `claimed_by` and
    `claimed_with` name the worker and the verb of the last claim, `behind` the token that was given
    back in the same request.
    """

    status: str = ""
    token: int = 0
    attempts: int = 0
    releases: int = 0
    until: int | None = None
    due: int | None = None
    done: int = 0
    given_back: str = ""
    withdrawn: bool = False
    claimed_by: int = -1
    claimed_with: str = ""
    behind: int = 0

    def live(self, now: int) -> bool:
        """Tell whether a worker holds the task."""
        return self.until is not None and now < self.until

    def key(self, now: int, reach: int) -> tuple[object, ...]:
        """Name it by what can still matter, who claimed it aside."""
        return (
            self.status,
            self.attempts,
            self.releases,
            None if self.until is None else max(self.until - now, reach),
            None if self.due is None else max(self.due - now, reach),
            self.done,
            self.given_back,
            self.withdrawn,
        )

    def settled(self, now: int, max_attempts: int) -> "Past":
        """Give it with an expiry that is due."""
        over = self.status == CLAIMED and not self.live(now)
        return self.attempt_over(max_attempts) if over else self

    def attempt_over(self, max_attempts: int) -> "Past":
        """Give it after an attempt that failed or ran out."""
        if self.withdrawn:
            status = CANCELLED
        elif self.attempts >= max_attempts:
            status = DEAD_LETTER
        else:
            status = PENDING
        return replace(self, status=status, until=None)


UNBORN: Final = Past()
