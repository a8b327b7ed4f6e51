"""The tools for several tasks at once."""

from orchestrion.api.manifests.tool import Tool

_NEXT_OF_EACH = "Look at the status of each item: one that is refused does not touch the others. "
_NOT_YOURS = "An item with status 409 was no longer yours: discard its work. "

BATCH_TOOLS = (
    Tool(
        name="create_tasks",
        title="Create several tasks",
        description=(
            "Store several pieces of work in one call, each as create_task does. Give each item "
            "an idempotencyKey: if no answer comes, call again with the same arguments, and no "
            "task is made twice. " + _NEXT_OF_EACH + "Next: check_task_status to follow a task."
        ),
    ),
    Tool(
        name="complete_tasks",
        title="Complete several tasks",
        description=(
            "Finish several tasks you hold in one call, each as complete_task does. Give each "
            "item its lease_token: if no answer comes, call again with the same arguments. "
            + _NOT_YOURS
            + _NEXT_OF_EACH
            + "Next: claim_task with max_tasks for more work."
        ),
        idempotent=True,
    ),
    Tool(
        name="fail_tasks",
        title="Report several failed attempts",
        description=(
            "End your attempts at several tasks you hold in one call, each as fail_task does. "
            "Give each item its lease_token: if no answer comes, call again with the same "
            "arguments. "
            + _NOT_YOURS
            + _NEXT_OF_EACH
            + "Next: claim_task with max_tasks for other work."
        ),
        idempotent=True,
    ),
    Tool(
        name="heartbeat_tasks",
        title="Keep several leases",
        description=(
            "Renew the leases of several tasks you hold in one call, each as heartbeat does. "
            "Give each item its lease_token. Stop working on those that are answered with "
            "409, whatever the code. Where agent_contract.cancel_requested stands in an item, its "
            "work is no longer wanted: stop, and name it to fail_tasks. "
            + _NEXT_OF_EACH
            + "Next: go on, then complete_tasks or fail_tasks."
        ),
        idempotent=True,
    ),
)
