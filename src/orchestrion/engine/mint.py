"""Makes ids, tokens and keys: the one place where randomness enters."""

import os
from collections.abc import Callable
from typing import Final

from orchestrion.core import ids
from orchestrion.core.clock import Clock
from orchestrion.core.ids import AccountId, KeyId, LeaseToken, PurchaseId, RequestId, TaskId
from orchestrion.core.instants import Instant

_RANDOM_BYTES: Final = ids.RANDOM_BITS // 8
_TAIL_END: Final = 1 << ids.TAIL_BITS
_TAIL_LENGTH: Final = ids.TAIL_BITS // 5


class Mint:
    """Ids of one process ascend, within a millisecond too."""

    def __init__(self, clock: Clock, entropy: Callable[[int], bytes] = os.urandom) -> None:
        self._clock = clock
        self._entropy = entropy
        self._instant = Instant(-1)
        self._head = ""
        self._tail = 0

    def task_id(self) -> TaskId:
        """Make a task id."""
        return TaskId("tsk_" + self._ulid())

    def account_id(self) -> AccountId:
        """Make an account id."""
        return AccountId("acct_" + self._ulid())

    def purchase_id(self) -> PurchaseId:
        """Make a purchase id."""
        return PurchaseId("pur_" + self._ulid())

    def key_id(self) -> KeyId:
        """Make the public name of a key."""
        return KeyId("key_" + self._ulid())

    def request_id(self) -> RequestId:
        """Make a request id."""
        return RequestId("req_" + self._ulid())

    def lease_token(self) -> LeaseToken:
        """Make a fencing token."""
        return ids.lease_token(self._entropy(ids.TOKEN_ENTROPY_BYTES))

    def api_key(self) -> str:
        """Make a key; whoever calls keeps only its hash."""
        return ids.api_key(self._entropy(ids.KEY_ENTROPY_BYTES))

    def _ulid(self) -> str:
        now = self._clock.now()
        self._tail += 1
        if now > self._instant or self._tail >= _TAIL_END:
            self._renew(now)
        return self._head + ids.ulid_tail(self._tail)

    def _renew(self, now: Instant) -> None:
        # A tail that begins in the lower half has room to count up within the millisecond.
        self._instant = max(now, Instant(self._instant + 1))
        randomness = int.from_bytes(self._entropy(_RANDOM_BYTES), "big")
        self._tail = randomness % (_TAIL_END // 2)
        self._head = ids.ulid(self._instant, randomness)[:-_TAIL_LENGTH]
