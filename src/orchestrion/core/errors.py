"""The catalogue of refusals: for each error code its status, whether to retry, and what to do."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

import msgspec


class ErrorCode(StrEnum):
    """The closed set of codes an error answer may carry (openapi.json, ErrorResponse)."""

    MISSING_API_KEY = "missing_api_key"
    INVALID_API_KEY = "invalid_api_key"
    INVALID_REQUEST = "invalid_request"
    TASK_NOT_FOUND = "task_not_found"
    INVALID_TRANSITION = "invalid_transition"
    LEASE_EXPIRED = "lease_expired"
    TASK_CURRENTLY_CLAIMED = "task_currently_claimed"
    NOT_YET_CLAIMABLE = "not_yet_claimable"
    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    IDEMPOTENCY_IN_FLIGHT = "idempotency_in_flight"
    QUOTA_EXCEEDED = "quota_exceeded"
    PLAN_EXPIRED = "plan_expired"
    MAX_WORKERS_REACHED = "max_workers_reached"
    PAYMENT_FAILED = "payment_failed"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"


class ActionCode(StrEnum):
    """The closed set of action codes (openapi.json, Action)."""

    CREATE_TASK = "create_task"
    CLAIM_TASK = "claim_task"
    COMPLETE_TASK = "complete_task"
    FAIL_TASK = "fail_task"
    HEARTBEAT = "heartbeat"
    CHECK_TASK_STATUS = "check_task_status"
    REQUEUE_TASK = "requeue_task"
    RETRY_AFTER_WAIT = "retry_after_wait"
    AUTHENTICATE = "authenticate"
    FIX_REQUEST = "fix_request"
    DOWNLOAD_ARTIFACT = "download_artifact"
    LIST_TASKS = "list_tasks"
    UPGRADE_PLAN = "upgrade_plan"
    RENEW_PLAN = "renew_plan"
    CHECK_BILLING_STATUS = "check_billing_status"
    VERIFY_PAYMENT = "verify_payment"
    RETRY_CHECKOUT = "retry_checkout"


class ErrorRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the catalogue: `statuses[0]` is the usual status, the others are named cases."""

    statuses: tuple[int, ...]
    retryable: bool
    message: str
    meaning: str
    action: ActionCode


def _row(statuses: tuple[int, ...], action: ActionCode, message: str, meaning: str) -> ErrorRow:
    return ErrorRow(
        statuses=statuses, retryable=False, message=message, meaning=meaning, action=action
    )


def _passing(statuses: tuple[int, ...], action: ActionCode, message: str, meaning: str) -> ErrorRow:
    return ErrorRow(
        statuses=statuses, retryable=True, message=message, meaning=meaning, action=action
    )


# Source: decisions §1 (statuses) and §2 (recommended action, retryable).
CATALOGUE: Mapping[ErrorCode, ErrorRow] = MappingProxyType(
    {
        ErrorCode.MISSING_API_KEY: _row(
            (401,),
            ActionCode.AUTHENTICATE,
            "Send your API key in the header 'Authorization: Bearer orch_live_...'.",
            "The request carries no bearer key.",
        ),
        ErrorCode.INVALID_API_KEY: _row(
            (401,),
            ActionCode.AUTHENTICATE,
            "This API key is not valid: it is mistyped, unknown or revoked.",
            "The key is malformed, unknown or revoked.",
        ),
        ErrorCode.INVALID_REQUEST: _row(
            (400, 404, 405, 413, 415),
            ActionCode.FIX_REQUEST,
            "The request does not fit the API schema.",
            "The path, method, headers, query or body is wrong; nothing was changed.",
        ),
        ErrorCode.TASK_NOT_FOUND: _row(
            (404,),
            ActionCode.LIST_TASKS,
            "No task with this id belongs to your account.",
            "The id is unknown, malformed, or names a task of another account.",
        ),
        ErrorCode.INVALID_TRANSITION: _row(
            (409,),
            ActionCode.CHECK_TASK_STATUS,
            "The task's present state does not allow this.",
            "The verb has no place in the task's state; nothing was changed.",
        ),
        ErrorCode.LEASE_EXPIRED: _row(
            (409,),
            ActionCode.CHECK_TASK_STATUS,
            "This lease is over: stop working on the task and discard the result.",
            "The lease ended, or the lease_token names an earlier lease.",
        ),
        ErrorCode.TASK_CURRENTLY_CLAIMED: _passing(
            (409,),
            ActionCode.CHECK_TASK_STATUS,
            "A worker holds a live lease on this task: cancel it with 'force': true to have the "
            "worker asked to give it back, or once it is pending.",
            "Cancel met a live lease.",
        ),
        ErrorCode.NOT_YET_CLAIMABLE: _passing(
            (409,),
            ActionCode.RETRY_AFTER_WAIT,
            "The task is scheduled for later.",
            "Claim by id came before the task's scheduledAt.",
        ),
        ErrorCode.IDEMPOTENCY_CONFLICT: _row(
            (409,),
            ActionCode.CREATE_TASK,
            "This idempotency key was used with another request; use a new key.",
            "The key was used for a different create in the last seven days, or a lease that a "
            "different claim took under it is live.",
        ),
        ErrorCode.IDEMPOTENCY_IN_FLIGHT: _passing(
            (503,),
            ActionCode.RETRY_AFTER_WAIT,
            "The first request with this idempotency key has not been decided yet.",
            "The first request with the key is undecided: repeat this one after the wait.",
        ),
        ErrorCode.QUOTA_EXCEEDED: _row(
            (402,),
            ActionCode.UPGRADE_PLAN,
            "The plan's tasks for this cycle are used up.",
            "The cycle's tasks are used up until it ends or the plan changes.",
        ),
        ErrorCode.PLAN_EXPIRED: _row(
            (402,),
            ActionCode.RENEW_PLAN,
            "The paid plan ran out; the plan it fell back to does not allow this.",
            "What fails now would have passed under the plan that ran out.",
        ),
        ErrorCode.MAX_WORKERS_REACHED: _passing(
            (429,),
            ActionCode.RETRY_AFTER_WAIT,
            "The account holds as many live leases as its plan allows.",
            "All leases of the plan are in use: finish a task, or wait until one ends.",
        ),
        ErrorCode.PAYMENT_FAILED: _row(
            (402, 410),
            ActionCode.RETRY_CHECKOUT,
            "The payment was not completed.",
            "The payment was declined, is not approved yet, or its checkout ran out.",
        ),
        ErrorCode.RATE_LIMITED: _passing(
            (429,),
            ActionCode.RETRY_AFTER_WAIT,
            "Too many requests in this window.",
            "The window is full: wait the seconds given, then repeat the request.",
        ),
        ErrorCode.SERVER_ERROR: _passing(
            (500, 503),
            ActionCode.RETRY_AFTER_WAIT,
            "The server could not carry out the request.",
            "A fault, an overload, or payments that are not configured (503 without a wait).",
        ),
    }
)
