"""Remembers when workers last asked this process for each type, until a job has told the others."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final

from orchestrion.core.asking import Asks, merged
from orchestrion.core.clock import Clock
from orchestrion.core.ids import KEY_PREFIX, AccountId
from orchestrion.core.instants import Instant
from orchestrion.core.limits import TYPES_ASKED_MAX
from orchestrion.engine.waiters import Waiters

ACCOUNTS_MAX: Final = 1_000


class Asked:
    """The accounts that asked last, each with its latest types."""

    def __init__(
        self, clock: Clock, waiters: Waiters | None = None, accounts_max: int = ACCOUNTS_MAX
    ) -> None:
        self._clock = clock
        self._waiters = waiters
        self._accounts_max = accounts_max
        self._accounts: OrderedDict[AccountId, dict[str, Instant]] = OrderedDict()
        self._unsaved: OrderedDict[AccountId, dict[str, Instant]] = OrderedDict()
        self._latest: tuple[AccountId, Sequence[str], Instant] | None = None

    def note(self, account_id: AccountId, types: Sequence[str]) -> None:
        """Take note that a worker asks for these types now."""
        now = self._clock.now()
        latest = (account_id, types, now)
        # Busy workers ask several times in one instant.
        if latest == self._latest:
            return
        self._latest = latest
        # A key that was sent as a type by mistake is not to be kept anywhere.
        types = [type_ for type_ in types if KEY_PREFIX not in type_]
        for kept in (self._accounts, self._unsaved):
            asks = kept.setdefault(account_id, {})
            for type_ in types:
                # The latest stand last.
                asks.pop(type_, None)
                asks[type_] = now
            while len(asks) > TYPES_ASKED_MAX:
                del asks[next(iter(asks))]
            kept.move_to_end(account_id)
            if len(kept) > self._accounts_max:
                kept.popitem(last=False)

    def at(self, account_id: AccountId, type_: str) -> Instant | None:
        """Tell when a worker last asked here, as far as that is remembered."""
        if self._waiters is not None and self._waiters.waits_for((account_id, type_)):
            # Whoever waits asks all the time.
            return self._clock.now()
        return self._accounts.get(account_id, {}).get(type_)

    def unsaved(self, limit: int) -> Sequence[Asks]:
        """Take what the other processes were not told yet, of so many accounts."""
        taken: list[Asks] = []
        while self._unsaved and len(taken) < limit:
            account_id, at = self._unsaved.popitem(last=False)
            taken.append(Asks(account_id=account_id, at=at))
        return taken

    def put_back(self, asks: Iterable[Asks]) -> None:
        """Take back what could not be saved; telling it twice does no harm."""
        for one in asks:
            newer = self._unsaved.get(one.account_id, {})
            both = merged(one, Asks(account_id=one.account_id, at=newer))
            self._unsaved[one.account_id] = dict(reversed(list(both.at.items())))
