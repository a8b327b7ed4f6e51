"""Which operations an answer leads to, for programs that walk the API by its schema."""

from collections.abc import Mapping
from types import MappingProxyType

from orchestrion.api.schema.shapes import Schema
from orchestrion.core.operations import Operation

_TASK = "$response.body#/id"
_CLAIMED = "$response.body#/task/id"
# A claim shows the token; a heartbeat was sent it, and does not repeat it.
_SHOWN: Schema = {"lease_token": "$response.body#/lease_token"}
_SENT: Schema = {"lease_token": "$request.body#/lease_token"}


def _link(operation: str, description: str, task: str = _TASK) -> Schema:
    return {"operationId": operation, "description": description, "parameters": {"id": task}}


def _held(task: str, token: Schema) -> Schema:
    """What the holder of a lease can do."""
    return {
        "heartbeat": {**_link("heartbeat", "Keep the lease.", task), "requestBody": token},
        "complete": {**_link("complete_task", "Finish the task.", task), "requestBody": token},
        "fail": {**_link("fail_task", "Report a failed attempt.", task), "requestBody": token},
        "release": {**_link("release_task", "Undo the claim.", task), "requestBody": token},
    }


_READ = _link("check_task_status", "Read the task.")
_CLAIM = _link("claim_task", "Claim the task.")
_CANCEL = _link("cancel_task", "Withdraw the task.")
_EXPLAIN = _link("explain_task", "Ask why the task waits.")
_REQUEUE = _link("requeue_task", "Put the task back, if it is in dead_letter.")

_LINKS: Mapping[str, Schema] = MappingProxyType(
    {
        "create_task": {"read": _READ, "claim": _CLAIM, "explain": _EXPLAIN, "cancel": _CANCEL},
        "check_task_status": {"claim": _CLAIM, "explain": _EXPLAIN, "cancel": _CANCEL},
        "claim_next_task": _held(_CLAIMED, _SHOWN),
        "claim_task": _held(_CLAIMED, _SHOWN),
        "heartbeat": _held(_TASK, _SENT),
        "complete_task": {"read": _READ},
        "fail_task": {"read": _READ, "claim": _CLAIM, "requeue": _REQUEUE},
        "release_task": {
            "read": _READ,
            "claim": _CLAIM,
            "requeue": _REQUEUE,
            "cancel": _CANCEL,
        },
        "requeue_task": {"claim": _CLAIM, "cancel": _CANCEL},
        "cancel_task": {"read": _READ},
        "start_checkout": {
            "verify": {
                "operationId": "verify_payment",
                "description": "Settle the purchase once a human has approved it.",
                "requestBody": {"purchaseId": "$response.body#/purchaseId"},
            }
        },
    }
)


def links(row: Operation) -> Schema | None:
    """Give the links of the operation's success, if it has any."""
    return _LINKS.get(row.name)
