"""How the end of an attempt is known again when it is sent once more. It changes nothing."""

from msgspec.structs import replace

from orchestrion.core import claim_keys
from orchestrion.core.commands import FailTask, FinishAndClaim
from orchestrion.core.ids import LeaseToken
from orchestrion.core.lease import Completion, key_after
from orchestrion.core.outcomes import Rejection
from orchestrion.core.task import COMPLETED, PENDING, Task
from orchestrion.core.view import View


def completed_so(task: Task, lease_token: LeaseToken | None, done: Completion) -> bool:
    """Tell whether the holder of the last lease completed the task with this very result."""
    return (
        task.status is COMPLETED
        and lease_token is not None
        and lease_token == task.lease_token
        and done.same_as(Completion(result=task.result, output_id=task.output_id))
    )


def given_back_so(task: Task, lease_token: LeaseToken | None, sent: bytes | None) -> bool:
    """Tell whether the holder of the last lease gave the task back with this very request."""
    return sent is not None and lease_token == task.lease_token and task.given_back_by == sent


def failed_before(command: FinishAndClaim, view: View) -> Task | None:
    """Give the task of a failure that is repeated after somebody has claimed it since.

    What is held under the key of the claim behind the failure was claimed after that; and the
    digest of such a claim covers the words of the failure. None: it tells of no such thing.
    """
    finish, ended = command.finish, command.finish.lease_token
    if not isinstance(finish, FailTask) or ended is None:
        return None
    task = view.task(command.account_id, finish.task_id)
    if task is None or command.claim.lease.key != key_after(ended):
        return None
    held = claim_keys.held(view, command.claim)
    if isinstance(held, Rejection) or not held:
        return None
    # Whoever failed it may have got it again. What others hold is shown as it is.
    return _as_it_failed(task, ended) if task in held else task


def _as_it_failed(task: Task, ended: LeaseToken) -> Task:
    """Give a task that was claimed behind its failure as the failure had left it."""
    return replace(
        task,
        status=PENDING,
        attempt_count=task.attempt_count - 1,
        claimed_by=None,
        claimed_at=None,
        lease_expires_at=None,
        last_heartbeat_at=None,
        # One that was asked back by then would not have been handed out.
        cancel_requested_at=None,
        lease_token=ended,
        claim_key=None,
        claim_digest=None,
        updated_at=task.last_failed_at,
    )
