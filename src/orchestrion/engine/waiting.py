"""The commands that wait for a batch, and which of them come next."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from orchestrion.core.commands import Command, account_of, weight_of
from orchestrion.core.ids import AccountId
from orchestrion.core.outcomes import Outcome

Unheard = Callable[[Outcome], None]


class Entry:
    """One command and the caller that waits for its outcome.

    `unheard` is given an outcome that was committed after the caller had left.
    """

    __slots__ = ("command", "future", "tries", "unheard", "weight")

    def __init__(
        self,
        command: Command,
        future: asyncio.Future[Outcome],
        unheard: Unheard | None = None,
    ) -> None:
        self.command = command
        self.weight = weight_of(command)
        self.future = future
        self.unheard = unheard
        self.tries = 0

    def answer(self, outcome: Outcome) -> None:
        """Give the caller its outcome, unless it has left."""
        if not self.future.done():
            self.future.set_result(outcome)
        elif self.unheard is not None:
            self.unheard(outcome)

    def fail(self, fault: BaseException) -> None:
        """Tell the caller what broke, unless it has left."""
        if not self.future.done():
            self.future.set_exception(fault)


class Waiting(Protocol):
    """What the writer asks of its queue; its length is the weight of the commands in it."""

    def __len__(self) -> int: ...

    def append(self, entry: Entry, /) -> None:
        """Let a command wait behind the others."""
        ...

    def next_batch(self, batch_max: int) -> list[Entry]:
        """Take what comes next; nothing if nothing may be taken now."""
        ...

    def put_back(self, entries: Iterable[Entry]) -> None:
        """Let commands of a batch go before the others; only until the batch is released."""
        ...

    def release(self, batch: Sequence[Entry]) -> None:
        """Take note that a batch has ended."""
        ...


class InOrder:
    """First come, first served, whoever it is."""

    def __init__(self) -> None:
        self._line: deque[Entry] = deque()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def append(self, entry: Entry, /) -> None:
        """Let a command wait behind the others."""
        self._line.append(entry)
        self._length += entry.weight

    def next_batch(self, batch_max: int) -> list[Entry]:
        """Take the first that wait."""
        batch, taken = _take(self._line, batch_max)
        self._length -= taken
        return batch

    def put_back(self, entries: Iterable[Entry]) -> None:
        """Let commands go first."""
        for entry in reversed(list(entries)):
            self._line.appendleft(entry)
            self._length += entry.weight

    def release(self, batch: Sequence[Entry]) -> None:
        """Do nothing: batches do not exclude each other."""


class ByAccount:
    """Accounts take turns, and each batch is of one account, in the order its commands came.

    While a batch of an account is being committed no other of it begins: it would only wait for
    the first one's locks, and meanwhile more commands join it.
    """

    def __init__(self) -> None:
        self._lines: dict[AccountId, deque[Entry]] = {}
        self._turns: deque[deque[Entry]] = deque()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def append(self, entry: Entry, /) -> None:
        """Let a command wait behind those of its account."""
        self._length += entry.weight
        account_id = account_of(entry.command)
        if account_id is None:
            # It concerns many accounts, or none, so it shares its batch with nobody.
            self._turns.append(deque((entry,)))
            return
        line = self._lines.get(account_id)
        if line is None:
            line = self._lines[account_id] = deque()
            self._turns.append(line)
        line.append(entry)

    def next_batch(self, batch_max: int) -> list[Entry]:
        """Take the first that wait of the account whose turn it is."""
        while self._turns:
            line = self._turns.popleft()
            account_id = account_of(line[0].command)
            batch, taken = _take(line, batch_max)
            self._length -= taken
            if batch:
                return batch
            # Every caller had hung up.
            self._end_turn(account_id, line)
        return []

    def put_back(self, entries: Iterable[Entry]) -> None:
        """Let commands go first when it is their account's turn again."""
        for entry in reversed(list(entries)):
            account_id = account_of(entry.command)
            assert account_id is not None, "only claims come back"
            self._lines[account_id].appendleft(entry)
            self._length += entry.weight

    def release(self, batch: Sequence[Entry]) -> None:
        """Let the account of a batch have another turn, behind the others."""
        account_id = account_of(batch[0].command)
        if account_id is not None:
            self._end_turn(account_id, self._lines[account_id])

    def _end_turn(self, account_id: AccountId | None, line: deque[Entry]) -> None:
        if line:
            self._turns.append(line)
        elif account_id is not None:
            del self._lines[account_id]


def _take(entries: deque[Entry], batch_max: int) -> tuple[list[Entry], int]:
    """Take what fits a batch, at least one; gives the weight of all that left the line as well."""
    batch: list[Entry] = []
    weight = gone = 0
    while entries:
        entry = entries[0]
        # Callers that hung up leave here, before the batch: later they would pull others in.
        if entry.future.cancelled():
            gone += entry.weight
        elif batch and weight + entry.weight > batch_max:
            break
        else:
            weight += entry.weight
            batch.append(entry)
        entries.popleft()
    return batch, weight + gone
