"""The operations on many tasks at once, each a row beside that of the single one."""

from orchestrion.core import batch_bodies as bodies
from orchestrion.core.limits import BATCH_BODY_BYTES_MAX, BATCH_ITEMS_MAX
from orchestrion.core.operation import Access, Allowance, Errand, Operation

_ITEMS = (
    f"Takes up to {BATCH_ITEMS_MAX} items and answers each with the status and body that a request "
    "of its own would get; one that is refused does not touch the others. "
)

BATCH_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        name="complete_tasks",
        method="POST",
        path="/v1/tasks/complete",
        tag="Tasks",
        summary="Finish several tasks",
        description=(
            _ITEMS + "Give id and lease_token in each item, with result, output_id, both or "
            "neither. Each item counts as one request."
        ),
        access=Access.KEYED,
        allowance=Allowance.MUTATIONS,
        errand=None,
        answer="Items",
        body=bodies.CompleteTasksBody,
        body_required=True,
        body_bytes_max=BATCH_BODY_BYTES_MAX,
    ),
    Operation(
        name="create_tasks",
        method="POST",
        path="/v1/tasks/batch",
        tag="Tasks",
        summary="Create several tasks",
        description=(
            _ITEMS + "Items are bodies of creates. Give each an idempotencyKey: then the whole "
            "request can be repeated safely when its answer was lost. Each item counts as one "
            "create."
        ),
        access=Access.KEYED,
        allowance=Allowance.CREATES,
        errand=Errand.CREATE,
        answer="Items",
        body=bodies.CreateTasksBody,
        body_required=True,
        body_bytes_max=BATCH_BODY_BYTES_MAX,
    ),
    Operation(
        name="heartbeat_tasks",
        method="POST",
        path="/v1/tasks/heartbeat",
        tag="Tasks",
        summary="Renew several leases",
        description=(
            _ITEMS + "Give id and lease_token in each item. Where an item is answered with "
            "lease_expired, stop working on that task. Where its agent_contract says "
            "cancel_requested, the work is no longer wanted: stop, and fail the task. Each item "
            "counts as one heartbeat."
        ),
        access=Access.KEYED,
        allowance=Allowance.HEARTBEATS,
        errand=None,
        answer="Items",
        body=bodies.HeartbeatTasksBody,
        body_required=True,
        body_bytes_max=BATCH_BODY_BYTES_MAX,
    ),
    Operation(
        name="fail_tasks",
        method="POST",
        path="/v1/tasks/fail",
        tag="Tasks",
        summary="Report several failed attempts",
        description=(
            _ITEMS + "Give id and lease_token in each item, with reason and retry_after_seconds "
            "where you have them. Each item counts as one request."
        ),
        access=Access.KEYED,
        allowance=Allowance.MUTATIONS,
        errand=None,
        answer="Items",
        body=bodies.FailTasksBody,
        body_required=True,
        body_bytes_max=BATCH_BODY_BYTES_MAX,
    ),
)
