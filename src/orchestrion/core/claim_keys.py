"""Repeats of a claim: while its lease lives, the same key gives the same task and token."""

from orchestrion.core.commands import ClaimNext, ClaimTask
from orchestrion.core.errors import ErrorCode
from orchestrion.core.lease import asked
from orchestrion.core.outcomes import Rejection, Situation
from orchestrion.core.task import Task
from orchestrion.core.view import View

IN_USE = "A lease claimed under this idempotency key by another request is live; use a new key."


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
        return Rejection(
            code=ErrorCode.IDEMPOTENCY_CONFLICT,
            message=IN_USE,
            now=view.now,
            situation=Situation.CLAIM_KEY_IN_USE,
        )
    return tuple(sorted((task for task, _ in found), key=lambda task: task.claim_order))
