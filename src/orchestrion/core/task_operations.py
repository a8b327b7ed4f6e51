"""The operations on tasks, the hottest first: routes are tried in this order."""

from orchestrion.core import bodies
from orchestrion.core.errors import ErrorCode
from orchestrion.core.operation import Access, Allowance, Operation

_E = ErrorCode

TASK_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        name="claim_next_task",
        method="POST",
        path="/v1/tasks/claim",
        tag="Tasks",
        summary="Take the next task of a type",
        description=(
            "Hands out the claimable task of the type with the highest priority, among equals the "
            "one due longest, under a lease. Keep the lease_token of the answer and send it with "
            "every heartbeat, complete and fail. `task: null` means that nothing can be claimed "
            "now: wait as told and ask again."
        ),
        access=Access.KEYED,
        allowance=Allowance.CLAIMS,
        answer="ClaimResponse",
        body=bodies.ClaimNextBody,
        body_required=True,
        refusals=(_E.PLAN_EXPIRED, _E.MAX_WORKERS_REACHED),
    ),
    Operation(
        name="complete_task",
        method="POST",
        path="/v1/tasks/{id}/complete",
        tag="Tasks",
        summary="Finish a task",
        description=(
            "Ends a claimed task well, with an inline result, the name of an artifact kept "
            "elsewhere, both or neither. Send the lease_token of your claim: it proves that the "
            "lease is still yours. lease_expired means that it is not: discard the work."
        ),
        access=Access.KEYED,
        allowance=Allowance.MUTATIONS,
        answer="TaskWithContract",
        body=bodies.CompleteBody,
        refusals=(_E.TASK_NOT_FOUND, _E.LEASE_EXPIRED, _E.INVALID_TRANSITION),
    ),
    Operation(
        name="create_task",
        method="POST",
        path="/v1/tasks",
        tag="Tasks",
        summary="Create a task",
        description=(
            "Stores a task as pending; workers can claim it at once, or from scheduledAt on. With "
            "an idempotency key the same request can be repeated safely for seven days: it never "
            "makes a second task."
        ),
        access=Access.KEYED,
        allowance=Allowance.CREATES,
        answer="TaskWithContract",
        status=201,
        body=bodies.CreateBody,
        body_required=True,
        refusals=(
            _E.IDEMPOTENCY_CONFLICT,
            _E.IDEMPOTENCY_IN_FLIGHT,
            _E.QUOTA_EXCEEDED,
            _E.PLAN_EXPIRED,
        ),
    ),
    Operation(
        name="list_tasks",
        method="GET",
        path="/v1/tasks",
        tag="Tasks",
        summary="List the account's tasks",
        description=(
            "Lists the account's tasks, newest first, filtered and in pages. To read on "
            "send nextCursor with the same filters, or follow the Link header. New tasks do not "
            "shift pages."
        ),
        access=Access.KEYED,
        allowance=Allowance.READS,
        answer="TaskList",
        query=("status", "type", "claimed_by", "limit", "cursor", "view", "fields"),
    ),
    Operation(
        name="heartbeat",
        method="POST",
        path="/v1/tasks/{id}/heartbeat",
        tag="Tasks",
        summary="Renew a lease",
        description=(
            "Makes the lease of a task you hold end leaseDurationSeconds from now. Send one every "
            "third of the lease while you work, with your lease_token. lease_expired means that "
            "the task is no longer yours: stop working on it."
        ),
        access=Access.KEYED,
        allowance=Allowance.HEARTBEATS,
        answer="TaskWithContract",
        body=bodies.HeartbeatBody,
        refusals=(_E.TASK_NOT_FOUND, _E.LEASE_EXPIRED, _E.INVALID_TRANSITION),
    ),
    Operation(
        name="fail_task",
        method="POST",
        path="/v1/tasks/{id}/fail",
        tag="Tasks",
        summary="Report a failed attempt",
        description=(
            "Ends the attempt of a task you hold: it goes back to pending, after a delay if you "
            "ask for one, or to dead_letter when no attempt is left. Use it too for a task you "
            "cannot finish now: the next worker then need not wait for the lease to end."
        ),
        access=Access.KEYED,
        allowance=Allowance.MUTATIONS,
        answer="TaskWithContract",
        body=bodies.FailBody,
        refusals=(_E.TASK_NOT_FOUND, _E.LEASE_EXPIRED, _E.INVALID_TRANSITION),
    ),
    Operation(
        name="claim_task",
        method="POST",
        path="/v1/tasks/{id}/claim",
        tag="Tasks",
        summary="Take one task by id",
        description=(
            "Claims this very task if it is pending and due, or claimed under a lease that has "
            "ended with attempts left. The answer is that of a claim by type."
        ),
        access=Access.KEYED,
        allowance=Allowance.CLAIMS,
        answer="ClaimSuccessResponse",
        body=bodies.ClaimTaskBody,
        refusals=(
            _E.TASK_NOT_FOUND,
            _E.INVALID_TRANSITION,
            _E.NOT_YET_CLAIMABLE,
            _E.PLAN_EXPIRED,
            _E.MAX_WORKERS_REACHED,
        ),
    ),
    Operation(
        name="check_task_status",
        method="GET",
        path="/v1/tasks/{id}",
        tag="Tasks",
        summary="Read a task",
        description=(
            "Shows the task as it is now, with what can be done next. A claimed task is shown as "
            "claimed until somebody acts on it, even after its lease: lease_valid tells."
        ),
        access=Access.KEYED,
        allowance=Allowance.READS,
        answer="TaskWithContract",
        query=("view", "fields"),
        refusals=(_E.TASK_NOT_FOUND,),
    ),
    Operation(
        name="cancel_task",
        method="POST",
        path="/v1/tasks/{id}/cancel",
        tag="Tasks",
        summary="Withdraw a pending task",
        description=(
            "Withdraws a task that nobody is working on, for good. While a worker holds a live "
            "lease the answer is task_currently_claimed."
        ),
        access=Access.KEYED,
        allowance=Allowance.MUTATIONS,
        answer="TaskWithContract",
        body=bodies.NoBody,
        refusals=(_E.TASK_NOT_FOUND, _E.TASK_CURRENTLY_CLAIMED, _E.INVALID_TRANSITION),
    ),
    Operation(
        name="requeue_task",
        method="POST",
        path="/v1/tasks/{id}/requeue",
        tag="Tasks",
        summary="Put a dead task back",
        description=(
            "Returns a dead_letter task to pending with all its attempts, due at once. Mend what "
            "made it fail first; lastFailureReason tells."
        ),
        access=Access.KEYED,
        allowance=Allowance.MUTATIONS,
        answer="TaskWithContract",
        body=bodies.NoBody,
        refusals=(_E.TASK_NOT_FOUND, _E.INVALID_TRANSITION),
    ),
)
