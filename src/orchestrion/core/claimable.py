"""What a batch made claimable, by account and type: what waiting workers are woken for."""

from collections.abc import Sequence
from itertools import chain
from typing import Final

import msgspec

from orchestrion.core.ids import AccountId
from orchestrion.core.instants import Instant
from orchestrion.core.task import CLAIMED, PENDING
from orchestrion.core.view import TypeKey, View

ALREADY: Final = Instant(0)


# An array on the wire between processes, where room is scarce.
class Claimable(msgspec.Struct, frozen=True, array_like=True):
    """So many tasks of a type can be claimed from an instant on; 0: they can already."""

    account_id: AccountId
    type: str
    count: int
    at: Instant

    @property
    def key(self) -> TypeKey:
        """The line of workers that it concerns."""
        return (self.account_id, self.type)


def made_claimable(view: View) -> Sequence[Claimable]:
    """Say what a batch leaves pending: per type how many are due, and when the next one will be."""
    due: dict[TypeKey, int] = {}
    later: dict[TypeKey, Instant] = {}
    for task in chain(view.new_tasks.values(), view.changed_tasks.values()):
        if task.status is not PENDING:
            continue
        key = (task.account_id, task.type)
        if task.due(view.now):
            due[key] = due.get(key, 0) + 1
        else:
            later[key] = min(later.get(key, task.due_at), task.due_at)
    return [
        *(Claimable(*key, count, ALREADY) for key, count in due.items()),
        *(Claimable(*key, 1, at) for key, at in later.items()),
    ]


def accounts_with_ended_leases(view: View) -> set[AccountId]:
    """Name the accounts of which a batch ended leases, as far as it changed tasks."""
    return {task.account_id for task in view.changed_tasks.values() if task.status is not CLAIMED}
