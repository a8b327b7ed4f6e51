"""Decides claims: which tasks a worker gets now, and whether it may have any."""

from msgspec.structs import replace

from orchestrion.core import claim_keys, lifecycle, quota
from orchestrion.core.account import Account
from orchestrion.core.commands import ClaimNext, ClaimTask
from orchestrion.core.outcomes import Again, Held, NoTask, Outcome, Rejection, Window
from orchestrion.core.plans import Catalogue
from orchestrion.core.task import ENDED, Task
from orchestrion.core.view import TypeKey, View


def claim_next(command: ClaimNext, catalogue: Catalogue, view: View) -> Outcome:
    """Hand out the first claimable tasks: as many claims in a row would get the same."""
    repeated = _claimed_before(command, catalogue, view)
    if repeated:
        return repeated
    account, refused = _may_claim(command, catalogue, view)
    if refused:
        return refused
    keys = [(command.account_id, type_) for type_ in command.types]
    if not _settled(keys, view):
        return Again()
    tokens = (command.lease.token, *command.more[: _left(command, account, catalogue, view) - 1])
    handed_out: list[Task] = []
    for token in tokens:
        task = view.first_claimable(keys)
        if task is None:
            break
        held = lifecycle.claim(task, view.now, replace(command.lease, token=token))
        assert isinstance(held, Task), "only what can be claimed is offered"
        view.put(held)
        handed_out.append(held)
    if not handed_out:
        return NoTask(now=view.now, window=_window(account, catalogue, view))
    account = quota.claimed(account, len(handed_out))
    view.put_account(account)
    first, *more = handed_out
    window = _window(account, catalogue, view)
    return Held(task=first, more=tuple(more), now=view.now, window=window)


def claim_task(command: ClaimTask, task: Task, catalogue: Catalogue, view: View) -> Outcome:
    """Hand out one task by id."""
    repeated = _claimed_before(command, catalogue, view)
    if repeated:
        return repeated
    account, refused = _may_claim(command, catalogue, view)
    if refused:
        return refused
    held = lifecycle.claim(task, view.now, command.lease)
    if isinstance(held, Rejection):
        return replace(held, window=_window(account, catalogue, view))
    account = quota.claimed(account)
    view.put(held)
    view.put_account(account)
    return Held(task=held, now=view.now, window=_window(account, catalogue, view))


def _claimed_before(
    command: ClaimNext | ClaimTask, catalogue: Catalogue, view: View
) -> Held | Rejection | None:
    """Answer a repeat, which costs nothing, before any limit; None when the claim is a first."""
    held = claim_keys.held(view, command)
    if isinstance(held, Rejection):
        return held
    if not held:
        return None
    view.repeated = True
    first, *more = held
    account = quota.rolled(view.accounts[command.account_id], view.now)
    window = _window(account, catalogue, view)
    return Held(task=first, more=tuple(more), now=view.now, window=window, replayed=True)


def _may_claim(
    command: ClaimNext | ClaimTask, catalogue: Catalogue, view: View
) -> tuple[Account, Rejection | None]:
    account = quota.rolled(view.accounts[command.account_id], view.now)
    leases = _leases(account, view)
    return account, quota.may_claim(account, catalogue, leases, view.now)


def _left(command: ClaimNext, account: Account, catalogue: Catalogue, view: View) -> int:
    """Say how many it may be handed, where it may be handed one."""
    if not command.more:
        return 1
    return quota.claims_left(account, catalogue, _leases(account, view), view.now)


def _leases(account: Account, view: View) -> quota.Leases:
    return quota.Leases(
        live=view.live_leases[account.id], first_end=view.lease_ends.get(account.id)
    )


def _settled(keys: list[TypeKey], view: View) -> bool:
    """Expire what is overdue of the types; false if the claim must look once more."""
    for key in keys:
        if _expired_out_of_sight(key, view):
            view.unsettled.add(key)
    if view.unsettled.isdisjoint(keys):
        return True
    # Later claims of the batch wait as well, so that first come stays first served.
    view.unsettled.update(keys)
    return False


def _expired_out_of_sight(key: TypeKey, view: View) -> bool:
    """Expire the loaded overdue rows; true if one died and a better one may not be loaded."""
    died = False
    for task in view.take_overdue(key):
        expired = lifecycle.released(task, view.now)
        if expired is not task:
            view.put(expired)
        # A sweep earlier in the batch may have ended it already, which hides others as well.
        died = died or expired.status in ENDED
    return died and key in view.more_overdue


def _window(account: Account, catalogue: Catalogue, view: View) -> Window:
    return quota.claims(account, catalogue.in_force(account, view.now), view.now)
