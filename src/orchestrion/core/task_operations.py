"""The operations on tasks, the hottest first: routes are tried in this order."""

from orchestrion.core import bodies
from orchestrion.core.errors import ErrorCode
from orchestrion.core.limits import RELEASES_MAX, STATS_SECONDS, STATS_TYPES_MAX
from orchestrion.core.operation import Access, Allowance, Errand, Operation

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
            "now: wait as told and ask again. With wait_seconds the request itself waits for a "
            "task; a caller that hangs up meanwhile gets none. With an Idempotency-Key header a "
            "claim whose answer was lost can be repeated: while its lease lives it answers the "
            "same task and token."
        ),
        access=Access.KEYED,
        allowance=Allowance.CLAIMS,
        errand=Errand.CLAIM,
        answer="ClaimResponse",
        body=bodies.ClaimNextBody,
        body_required=True,
        refusals=(_E.IDEMPOTENCY_CONFLICT, _E.PLAN_EXPIRED, _E.MAX_WORKERS_REACHED),
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
            "lease is still yours. lease_expired means that it is not: discard the work. With the "
            "token the same request can be repeated when its answer was lost: it acts once."
        ),
        access=Access.KEYED,
        allowance=Allowance.MUTATIONS,
        errand=None,
        answer="FinishedTask",
        body=bodies.CompleteAndClaimBody,
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
        errand=Errand.CREATE,
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
        errand=Errand.LIST,
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
        errand=None,
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
            "ask for one, or to dead_letter when no attempt is left. With the lease_token the same "
            "request can be repeated when its answer was lost: it acts once."
        ),
        access=Access.KEYED,
        allowance=Allowance.MUTATIONS,
        errand=None,
        answer="FinishedTask",
        body=bodies.FailAndClaimBody,
        refusals=(_E.TASK_NOT_FOUND, _E.LEASE_EXPIRED, _E.INVALID_TRANSITION),
    ),
    Operation(
        name="release_task",
        method="POST",
        path="/v1/tasks/{id}/release",
        tag="Tasks",
        summary="Give a task back untried",
        description=(
            "Undoes your claim: the task is pending again and the attempt is not charged. Use it "
            "when you are stopping, or cannot do this task now; the next worker then need not wait "
            f"for the lease to end. After {RELEASES_MAX} releases of a task a further one counts "
            "as a failed attempt. The same request can be repeated when its answer was lost."
        ),
        access=Access.KEYED,
        allowance=Allowance.MUTATIONS,
        errand=None,
        answer="TaskWithContract",
        body=bodies.ReleaseBody,
        body_required=True,
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
        errand=Errand.CLAIM,
        answer="ClaimSuccessResponse",
        body=bodies.ClaimTaskBody,
        refusals=(
            _E.TASK_NOT_FOUND,
            _E.INVALID_TRANSITION,
            _E.NOT_YET_CLAIMABLE,
            _E.IDEMPOTENCY_CONFLICT,
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
            "claimed until somebody acts on it, even after its lease: lease_valid tells. With "
            "wait_seconds the answer comes once the task has ended or changed, or time is up: "
            "status tells which."
        ),
        access=Access.KEYED,
        allowance=Allowance.READS,
        errand=Errand.GET,
        answer="TaskWithContract",
        query=("view", "fields", "wait_seconds", "until"),
        refusals=(_E.TASK_NOT_FOUND,),
    ),
    Operation(
        name="wait_for_tasks",
        method="POST",
        path="/v1/tasks/wait",
        tag="Tasks",
        summary="Wait for several tasks",
        description=(
            "Answers once any or all of the tasks have ended (completed, cancelled or "
            "dead_letter), or have changed since the request came, or time is up. Names those "
            "that have, short, and the ids of those that remain: send these to wait on."
        ),
        access=Access.KEYED,
        allowance=Allowance.READS,
        errand=Errand.GET,
        answer="WaitResponse",
        body=bodies.WaitBody,
        body_required=True,
    ),
    Operation(
        name="explain_task",
        method="GET",
        path="/v1/tasks/{id}/explain",
        tag="Tasks",
        summary="Say why a task waits",
        description=(
            "Tells whether the task could be claimed now and, if not, what blocks it, since when, "
            "and when that clears by itself; how many tasks of its type would be handed out "
            "before it; and when a worker last asked for its type. No last_asked_at, or one long "
            "ago, means that no worker works on this type."
        ),
        access=Access.KEYED,
        allowance=Allowance.READS,
        errand=Errand.GET,
        answer="TaskExplanation",
        refusals=(_E.TASK_NOT_FOUND,),
    ),
    Operation(
        name="get_stats",
        method="GET",
        path="/v1/stats",
        tag="Tasks",
        summary="Count the account's tasks",
        description=(
            "Tells how many tasks there are in each state, since when the oldest wait, and how "
            "many were created, claimed, completed and so on per minute, for the account and for "
            f"each of its types: the {STATS_TYPES_MAX} busiest. It costs the same however many "
            f"tasks there are; the numbers are up to {STATS_SECONDS} seconds old, as asOf tells."
        ),
        access=Access.KEYED,
        allowance=Allowance.READS,
        errand=Errand.LIST,
        answer="Stats",
    ),
    Operation(
        name="cancel_task",
        method="POST",
        path="/v1/tasks/{id}/cancel",
        tag="Tasks",
        summary="Withdraw a task",
        description=(
            "Withdraws a task that nobody is working on, for good. While a worker holds a live "
            "lease the answer is task_currently_claimed, unless force is true: then the next "
            "heartbeat asks the worker to give the task back, and when it does, or its lease "
            "ends, the task is cancelled. Work completed before that stands."
        ),
        access=Access.KEYED,
        allowance=Allowance.MUTATIONS,
        errand=Errand.CLAIM,
        answer="TaskWithContract",
        body=bodies.CancelBody,
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
        errand=Errand.CLAIM,
        answer="TaskWithContract",
        body=bodies.NoBody,
        refusals=(_E.TASK_NOT_FOUND, _E.INVALID_TRANSITION),
    ),
)
