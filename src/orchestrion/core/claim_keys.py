"""Repeats of a claim: while its lease lives, the same key gives the same task and token."""

from orchestrion.core.commands import ClaimNext, ClaimTask
from orchestrion.core.errors import ErrorCode
from orchestrion.core.lease import asked
from orchestrion.core.outcomes import Rejection
from orchestrion.core.task import Task
from orchestrion.core.view import View


def held(view: View, command: ClaimNext | ClaimTask) -> tuple[Task, ...] | Rejection:
    """Give what an earlier claim under this key still holds, in its order; none: a first claim."""
    key, digest = command.lease.key, command.lease.digest
    if key is None:
        return ()
    found = [
        (task, first)
        for task in view.held_under(command.account_id, key)
        if (first := asked(task.claim_digest, task.lease_token)) is not None
    ]
    if any(first != digest for _, first in found):
        return Rejection(code=ErrorCode.IDEMPOTENCY_CONFLICT, now=view.now)
    return tuple(sorted((task for task, _ in found), key=lambda task: task.claim_order))
