"""Which operations an answer leads to, for programs that walk the API by its schema."""

from collections.abc import Mapping
from types import MappingProxyType

from orchestrion.api.schema.shapes import Schema
from orchestrion.core.operations import Operation

_TASK_ID = "$response.body#/id"
_CLAIMED_ID = "$response.body#/task/id"
_TOKEN: Schema = {"lease_token": "$response.body#/lease_token"}


def _link(operation: str, description: str, task_id: str = _TASK_ID) -> Schema:
    return {
        "operationId": operation,
        "description": description,
        "parameters": {"id": task_id},
    }


_HELD: Schema = {
    "heartbeat": {**_link("heartbeat", "Keep the lease.", _CLAIMED_ID), "requestBody": _TOKEN},
    "complete": {
        **_link("complete_task", "Finish the task.", _CLAIMED_ID),
        "requestBody": _TOKEN,
    },
    "fail": {**_link("fail_task", "Give the task back.", _CLAIMED_ID), "requestBody": _TOKEN},
    "release": {**_link("release_task", "Undo the claim.", _CLAIMED_ID), "requestBody": _TOKEN},
}
_READ = _link("check_task_status", "Read the task.")

_LINKS: Mapping[str, Schema] = MappingProxyType(
    {
        "create_task": {
            "read": _READ,
            "claim": _link("claim_task", "Claim the task."),
            "cancel": _link("cancel_task", "Withdraw the task."),
        },
        "claim_next_task": _HELD,
        "claim_task": _HELD,
        "complete_task": {"read": _READ},
        "fail_task": {
            "read": _READ,
            "requeue": _link("requeue_task", "Put the task back, if it is in dead_letter."),
        },
        "requeue_task": {"claim": _link("claim_task", "Claim the task.")},
    }
)


def links(row: Operation) -> Schema | None:
    """Give the links of the operation's success, if it has any."""
    return _LINKS.get(row.name)
