"""How many callers may wait at a time: in one process, and of one account."""

from collections import Counter
from typing import Final

import msgspec

from orchestrion.core.errors import ErrorCode
from orchestrion.core.ids import AccountId
from orchestrion.core.limits import WAITERS_FULL_WAIT_SECONDS, WAITERS_MAX
from orchestrion.core.outcomes import Rejection

ACCOUNT_FULL: Final = (
    "As many requests of this account wait here as may at a time. Let fewer wait, or ask with "
    "wait_seconds 0."
)
PROCESS_FULL: Final = "As many requests wait here as this server can hold; nothing was changed."


FULL: Final = Rejection(
    code=ErrorCode.SERVER_ERROR,
    status=503,
    message=PROCESS_FULL,
    wait_seconds=WAITERS_FULL_WAIT_SECONDS,
)


class Patience(msgspec.Struct, kw_only=True):
    """How long a caller waits, and how many of its account may at a time.

    `waited` is filled in: for how long there was nothing for it.
    """

    seconds: float
    waiters_max: int
    waited: float = 0


class Room:
    """Counts those who wait."""

    def __init__(self, waiters_max: int = WAITERS_MAX) -> None:
        self._waiters_max = waiters_max
        self._of_account: Counter[AccountId] = Counter()
        self.taken = 0

    def refused(self, account_id: AccountId, waiters_max: int) -> Rejection | None:
        """Refuse one more of an account that has so many already, or where the process is full."""
        if self._of_account[account_id] >= waiters_max:
            return Rejection(
                code=ErrorCode.RATE_LIMITED,
                message=ACCOUNT_FULL,
                wait_seconds=WAITERS_FULL_WAIT_SECONDS,
            )
        return FULL if self.taken >= self._waiters_max else None

    def enter(self, account_id: AccountId) -> None:
        """Count one more."""
        self.taken += 1
        self._of_account[account_id] += 1

    def leave(self, account_id: AccountId) -> None:
        """Count one less."""
        self.taken -= 1
        self._of_account[account_id] -= 1
        if not self._of_account[account_id]:
            del self._of_account[account_id]
