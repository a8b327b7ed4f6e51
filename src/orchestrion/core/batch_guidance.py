"""agent_contract of a batch, beside the guidance in each of its items."""

from msgspec.structs import replace

from orchestrion.core import actions
from orchestrion.core.actions import Action, recommended
from orchestrion.core.contract import AgentContract
from orchestrion.core.errors import ActionCode

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
_HEARTBEAT = Action(
    action=ActionCode.HEARTBEAT,
    description="While you work, renew the leases with your lease_tokens.",
    method="POST",
    endpoint="/v1/tasks/heartbeat",
)

CREATED = AgentContract(next_actions=(recommended(actions.CLAIM_NEXT), actions.CREATE))
FINISHED = CREATED
RENEWED = AgentContract(next_actions=(recommended(_COMPLETE), _FAIL, _HEARTBEAT))


def with_refused(all_well: AgentContract, refused: AgentContract | None) -> AgentContract:
    """Guide after a batch: first to what the first refused item needs, if there is one."""
    if refused is None:
        return all_well
    step = refused.next_actions[0]
    # Never retryable as a whole: what was accepted stands.
    rest = (
        replace(one, recommended=False)
        for one in all_well.next_actions
        if (one.action, one.endpoint) != (step.action, step.endpoint)
    )
    return AgentContract(next_actions=(step, *rest))
