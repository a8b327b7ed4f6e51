"""agent_contract of a batch, beside the guidance in each of its items."""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from orchestrion.core import actions
from orchestrion.core.actions import Action, recommended
from orchestrion.core.contract import AgentContract
from orchestrion.core.errors import ActionCode
from orchestrion.core.outcomes import Held, Outcome


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """What can follow a batch that was sent to a path, best first."""

    path: str
    steps: tuple[Action, ...]


_COMPLETE = Action(
    action=ActionCode.COMPLETE_TASK,
    description="When work is done, complete its task with your lease_token.",
    method="POST",
    endpoint="/v1/tasks/complete",
)
_FAIL = Action(
    action=ActionCode.FAIL_TASK,
    description="If work cannot be done, fail its attempt with your lease_token.",
    method="POST",
    endpoint="/v1/tasks/fail",
)
_GIVE_BACK = replace(
    _FAIL,
    description=(
        "Work on the items that say cancel_requested is no longer wanted: stop, and fail these "
        "attempts with their lease_tokens. The tasks are then cancelled."
    ),
)
_HEARTBEAT = Action(
    action=ActionCode.HEARTBEAT,
    description="While you work, renew the leases with your lease_tokens.",
    method="POST",
    endpoint="/v1/tasks/heartbeat",
)
_REPEAT_REFUSED = "Wait, then send the items that were refused again, and no others."
_NEXT = (actions.CLAIM_NEXT, actions.CREATE)

CREATED = Advice(path="/v1/tasks/batch", steps=_NEXT)
COMPLETED = Advice(path="/v1/tasks/complete", steps=_NEXT)
FAILED = Advice(path="/v1/tasks/fail", steps=_NEXT)
RENEWED = Advice(path="/v1/tasks/heartbeat", steps=(_COMPLETE, _FAIL, _HEARTBEAT))


def guide(
    after: Advice, outcomes: Sequence[Outcome | None], refused: AgentContract | None
) -> AgentContract:
    """Guide by all that the items came to; `refused` is the guidance of the first refusal.

    What was asked back comes first, then what the refusal needs.
    """
    steps = after.steps
    if refused is not None:
        steps = _first(_of_batch(refused.next_actions[0], after.path), steps)
    if any(isinstance(one, Held) and one.task.cancel_requested_at is not None for one in outcomes):
        steps = _first(_GIVE_BACK, steps)
    # Never retryable as a whole: what was accepted stands.
    return AgentContract(next_actions=(recommended(steps[0]), *steps[1:]))


def _first(step: Action, steps: tuple[Action, ...]) -> tuple[Action, ...]:
    rest = (
        other for other in steps if (other.action, other.endpoint) != (step.action, step.endpoint)
    )
    return (replace(step, recommended=False), *rest)


def _of_batch(step: Action, path: str) -> Action:
    """Write for the whole batch what is advised for one item: it was no request of its own."""
    if step.action is not ActionCode.RETRY_AFTER_WAIT:
        return step
    return replace(step, description=_REPEAT_REFUSED, endpoint=path)
