"""The actions an agent can be told of: each names an operation and says in constant words why."""

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from orchestrion.core.errors import ActionCode
from orchestrion.core.ids import TaskId


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of `next_actions`. `available` means possible now, as far as the state goes."""

    action: ActionCode
    available: bool = True
    recommended: bool = False
    # Left out only where every word counts.
    description: str | UnsetType
    method: str | UnsetType = UNSET
    endpoint: str | UnsetType = UNSET
    retry_after_seconds: int | UnsetType = UNSET


def recommended(action: Action) -> Action:
    """Mark the action as the next step."""
    return replace(action, recommended=True)


def unavailable(action: Action) -> Action:
    """Mark the action as not possible now."""
    return replace(action, available=False)


CREATE = Action(
    action=ActionCode.CREATE_TASK,
    description="Create the next task.",
    method="POST",
    endpoint="/v1/tasks",
)
CREATE_WITH_ANOTHER_KEY = replace(
    CREATE, description="Create the task with an idempotency key you have not used before."
)
CLAIM_NEXT = Action(
    action=ActionCode.CLAIM_TASK,
    description="Take the next claimable task of a type.",
    method="POST",
    endpoint="/v1/tasks/claim",
)
CLAIM_WITH_ANOTHER_KEY = replace(
    CLAIM_NEXT, description="Claim with an idempotency key you have not used before."
)
LIST = Action(
    action=ActionCode.LIST_TASKS,
    description="List your tasks to find the one you mean.",
    method="GET",
    endpoint="/v1/tasks",
)
CHECK_BILLING_AFTER_UNKNOWN = Action(
    action=ActionCode.CHECK_BILLING_STATUS,
    description="Read your plan to see whether this took effect.",
    method="GET",
    endpoint="/v1/billing/status",
)
LIST_AFTER_UNKNOWN = replace(
    LIST, description="List your tasks to see whether this write took effect."
)
POLL_AGAIN = Action(
    action=ActionCode.RETRY_AFTER_WAIT,
    description="Nothing of this type is claimable now: wait, then claim again.",
    method="POST",
    endpoint="/v1/tasks/claim",
)
WAIT_FOR_TASKS = Action(
    action=ActionCode.RETRY_AFTER_WAIT,
    description="Wait, then ask again for those that remain.",
    method="POST",
    endpoint="/v1/tasks/wait",
)
AUTHENTICATE = Action(
    action=ActionCode.AUTHENTICATE,
    description="Register for an API key, then send it as a bearer token.",
    method="POST",
    endpoint="/v1/keys/register",
)
FIX_BY_SCHEMA = Action(
    action=ActionCode.FIX_REQUEST,
    description="Correct the request by the schema, then send it again.",
    method="GET",
    endpoint="/v1/schema",
)
FIX_BY_CAPABILITIES = replace(
    FIX_BY_SCHEMA,
    description="This is not a route of the API: look up what it offers.",
    endpoint="/v1/capabilities",
)
ASK_THE_OPERATOR = replace(
    FIX_BY_CAPABILITIES,
    description="Keys are not given out here: ask this server's operator for one, then send it.",
)
CHECK_BILLING = Action(
    action=ActionCode.CHECK_BILLING_STATUS,
    description="Read your plan, its limits and what you have used.",
    method="GET",
    endpoint="/v1/billing/status",
)
UPGRADE = Action(
    action=ActionCode.UPGRADE_PLAN,
    description="Start a checkout for a larger plan; a human approves the payment.",
    method="POST",
    endpoint="/v1/billing/checkout",
)
RENEW = replace(
    UPGRADE,
    action=ActionCode.RENEW_PLAN,
    description="Start a checkout to renew the plan; a human approves the payment.",
)
RETRY_CHECKOUT = replace(
    UPGRADE,
    action=ActionCode.RETRY_CHECKOUT,
    description="Start a new checkout; this one cannot be paid any more.",
)
RETRY_DECLINED = replace(
    RETRY_CHECKOUT, description="Start a new checkout; this payment did not go through."
)
VERIFY = Action(
    action=ActionCode.VERIFY_PAYMENT,
    description="Verify the purchase once a human has approved the payment.",
    method="POST",
    endpoint="/v1/billing/verify",
)
VERIFY_AFTER_APPROVAL = replace(
    VERIFY,
    description=(
        "First have a human open checkoutUrl and approve the payment; then verify the purchase."
    ),
)
_CLAIM_BY_ID = Action(
    action=ActionCode.CLAIM_TASK,
    description="Claim this task.",
    method="POST",
)
_CHECK = Action(
    action=ActionCode.CHECK_TASK_STATUS,
    description="Read the task as it is now.",
    method="GET",
)
_COMPLETE = Action(
    action=ActionCode.COMPLETE_TASK,
    description="When the work is done, complete the task with your lease_token.",
    method="POST",
)
_FAIL = Action(
    action=ActionCode.FAIL_TASK,
    description="If the work cannot be done, fail the attempt with your lease_token.",
    method="POST",
)
_GIVE_BACK = replace(
    _FAIL,
    description=(
        "The work is no longer wanted: stop, and fail the attempt with your lease_token. The task "
        "is then cancelled."
    ),
)
_HEARTBEAT = Action(
    action=ActionCode.HEARTBEAT,
    description="While you work, renew the lease with your lease_token.",
    method="POST",
)
_REQUEUE = Action(
    action=ActionCode.REQUEUE_TASK,
    description="Once the cause is mended, put the task back with all its attempts.",
    method="POST",
)
_WAIT_TO_CLAIM = Action(
    action=ActionCode.RETRY_AFTER_WAIT,
    description="The task is scheduled for later: wait, then claim it.",
    method="POST",
)
_WAIT_TO_REPEAT = Action(
    action=ActionCode.RETRY_AFTER_WAIT,
    description="Wait, then send the same request again.",
)
_NEXT_PAGE = Action(
    action=ActionCode.LIST_TASKS,
    description="Read the next page.",
    method="GET",
)
_DOWNLOAD = Action(
    action=ActionCode.DOWNLOAD_ARTIFACT,
    description=(
        "Download the artifact from its own service. Never send your Orchestrion key there."
    ),
    method="GET",
)


def claim_by_id(task_id: TaskId) -> Action:
    """Take this very task."""
    return replace(_CLAIM_BY_ID, endpoint=f"/v1/tasks/{task_id}/claim")


def check(task_id: TaskId) -> Action:
    """Read this task."""
    return replace(_CHECK, endpoint=f"/v1/tasks/{task_id}")


def check_again(task_id: TaskId, seconds: int) -> Action:
    """Read this task once somebody may have changed it: whoever polls needs a pace."""
    return replace(check(task_id), retry_after_seconds=seconds)


def complete(task_id: TaskId) -> Action:
    """Finish this task."""
    return replace(_COMPLETE, endpoint=f"/v1/tasks/{task_id}/complete")


def fail(task_id: TaskId) -> Action:
    """Give this attempt up."""
    return replace(_FAIL, endpoint=f"/v1/tasks/{task_id}/fail")


def give_back(task_id: TaskId) -> Action:
    """Give up what was asked back."""
    return replace(_GIVE_BACK, endpoint=f"/v1/tasks/{task_id}/fail")


def heartbeat(task_id: TaskId) -> Action:
    """Keep the lease."""
    return replace(_HEARTBEAT, endpoint=f"/v1/tasks/{task_id}/heartbeat")


def requeue(task_id: TaskId) -> Action:
    """Give a dead task new attempts."""
    return replace(_REQUEUE, endpoint=f"/v1/tasks/{task_id}/requeue")


def wait_to_claim(task_id: TaskId, seconds: int) -> Action:
    """Come back when the schedule allows it."""
    return replace(
        _WAIT_TO_CLAIM, endpoint=f"/v1/tasks/{task_id}/claim", retry_after_seconds=seconds
    )


def wait_to_repeat(method: str, endpoint: str, seconds: int) -> Action:
    """Send the same request again later."""
    return replace(_WAIT_TO_REPEAT, method=method, endpoint=endpoint, retry_after_seconds=seconds)


def next_page(endpoint: str) -> Action:
    """Read on."""
    return replace(_NEXT_PAGE, endpoint=endpoint)


def download(url: str) -> Action:
    """Fetch what a worker left elsewhere."""
    return replace(_DOWNLOAD, endpoint=url)
