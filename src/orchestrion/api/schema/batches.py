"""What the operations on several tasks take and answer, beside those on one."""

from collections.abc import Mapping
from types import MappingProxyType

from orchestrion.api.schema.shapes import Schema, choice, component, flag, struct, text, whole
from orchestrion.core import limits
from orchestrion.core.errors import ErrorCode

_TASK_OR_NULL: Schema = {"anyOf": [component("Task"), {"type": "null"}]}

ITEMS = struct(
    "What each item came to, in the order in which they were sent.",
    {
        "items": {
            "type": "array",
            "description": "One entry for each item of the request.",
            "items": component("ItemResult"),
            "maxItems": limits.BATCH_ITEMS_MAX,
        },
        "agent_contract": component("AgentContract"),
    },
)

# Beside the reference, for the specification answers with that and nothing else.
FINISHED: Schema = {
    **component("TaskWithContract"),
    "properties": {
        "next_task": {
            **_TASK_OR_NULL,
            "description": "The next task, now yours; null when none was claimed. Absent unless "
            "claim_next was sent; agent_contract is then for the claim.",
        },
        "next_lease_token": text("Proof of the lease of next_task, shown only here."),
        "next_error": choice(
            "Why no task was claimed, where it is not that there is none. What was sent to this "
            "task took effect all the same.",
            ErrorCode,
        ),
    },
}

CLAIMED_TASKS: Schema = {
    "type": "array",
    "description": "Where max_tasks was sent: all that was handed out, best first.",
    "items": struct(
        "A task with the proof of its lease.",
        {
            "task": component("Task"),
            "lease_token": text("Send it with every heartbeat, complete and fail of this task."),
        },
    ),
    "maxItems": limits.CLAIM_TASKS_MAX,
}

BATCH_COMPONENTS: Mapping[str, Schema] = MappingProxyType(
    {
        "ItemResult": struct(
            "What one item came to: what a request of its own would have been answered.",
            {
                "status": whole("The HTTP status of that answer.", minimum=200, maximum=599),
                "body": {
                    "description": "The body of that answer.",
                    "anyOf": [component("TaskWithContract"), component("ErrorResponse")],
                },
                "replayed": flag(
                    "true: the answer of an earlier create with the same key. Absent unless so."
                ),
            },
            ("status", "body"),
        )
    }
)
