"""Which rows the commands of one batch must see."""

from collections.abc import Iterable
from typing import assert_never

from orchestrion.core.commands import (
    CancelTask,
    ClaimNext,
    ClaimTask,
    Command,
    CompleteTask,
    CountRequests,
    CreateTask,
    ExpireLeases,
    FailTask,
    Heartbeat,
    Job,
    NoteAsks,
    PurgeCounts,
    PurgeFinished,
    PurgeIdempotencyKeys,
    PurgeMinutes,
    RegisterKey,
    ReleaseTask,
    RequestCancel,
    RequeueTask,
    Single,
    UndoClaim,
    parts_of,
)
from orchestrion.core.ids import AccountId
from orchestrion.core.lease import Lease
from orchestrion.core.purchase_commands import OfPlan, OpenPurchase, SetPlan
from orchestrion.core.view import Needs, count_key


def needs_of(commands: Iterable[Command]) -> Needs:
    """Gather what the commands need, once per row."""
    needs = Needs()
    for command in commands:
        for part in parts_of(command):
            _add(needs, part)
    return needs


def _add(needs: Needs, command: Single) -> None:
    match command:
        case (
            CompleteTask() | FailTask() | Heartbeat() | ReleaseTask() | UndoClaim() | RequeueTask()
        ):
            needs.tasks.add((command.account_id, command.task_id))
            _count(needs.ending, command.account_id)
        case ClaimNext():
            _add_claim(needs, command)
        case CreateTask():
            needs.accounts.add(command.account_id)
            if command.idempotency_key is not None:
                needs.idempotency.add((command.account_id, command.idempotency_key))
        case CancelTask() | RequestCancel():
            needs.tasks.add((command.account_id, command.task_id))
            _count(needs.naming, command.account_id)
        case ClaimTask():
            needs.tasks.add((command.account_id, command.task_id))
            _count(needs.naming, command.account_id)
            _add_lease(needs, command.account_id, command.lease)
        case RegisterKey():
            pass
        case _ if isinstance(command, OfPlan):
            _add_plan(needs, command)
        case _:
            _add_job(needs, command)


def _add_plan(needs: Needs, command: OfPlan) -> None:
    # The lock on the account's row is the lock on all its purchases.
    needs.accounts.add(command.account_id)
    if isinstance(command, SetPlan):
        return
    needs.newest_purchases.add(command.account_id)
    if not isinstance(command, OpenPurchase):
        needs.purchases.add((command.account_id, command.purchase_id))


def _add_job(needs: Needs, job: Job) -> None:
    match job:
        case ExpireLeases():
            needs.tasks.update((job.account_id, task_id) for task_id in job.task_ids)
        case PurgeFinished():
            needs.accounts.add(job.account_id)
            needs.tasks.update((job.account_id, task_id) for task_id in job.task_ids)
        case PurgeIdempotencyKeys():
            needs.idempotency.update((job.account_id, key) for key in job.keys)
        case PurgeMinutes() | PurgeCounts():
            # Nothing has to be looked at again: an old minute stays old, and the store itself
            # spares a type that has tasks.
            pass
        case NoteAsks():
            needs.asks.add(job.account_id)
        case CountRequests():
            needs.request_counts.update(map(count_key, job.counts))
        case _:
            assert_never(job)


def _add_claim(needs: Needs, claim: ClaimNext) -> None:
    for type_ in claim.types:
        key = (claim.account_id, type_)
        needs.claims[key] = needs.claims.get(key, 0) + claim.tasks_max
    _add_lease(needs, claim.account_id, claim.lease, claim.tasks_max)


def _add_lease(needs: Needs, account_id: AccountId, lease: Lease, count: int = 1) -> None:
    needs.accounts.add(account_id)
    _count(needs.leases, account_id, count)
    if lease.key is not None:
        needs.claim_keys.add((account_id, lease.key))


def _count(counts: dict[AccountId, int], account_id: AccountId, more: int = 1) -> None:
    counts[account_id] = counts.get(account_id, 0) + more
