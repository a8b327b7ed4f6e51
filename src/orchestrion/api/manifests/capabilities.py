"""capabilities: the life cycle, every bound, every code, as data."""

from orchestrion.api.manifests.action_meanings import MEANINGS
from orchestrion.api.manifests.rates import rate_limits
from orchestrion.api.manifests.site import NAME, Json, Site
from orchestrion.api.schema import API_VERSION
from orchestrion.core import limits
from orchestrion.core.errors import CATALOGUE, ActionCode, ErrorCode
from orchestrion.core.lifecycle import CREATED, TABLE, TERMINAL, Transition
from orchestrion.core.operations import BY_NAME, OPERATIONS, Operation
from orchestrion.core.plans import FREE
from orchestrion.core.task import Status

ATTEMPTS_LEFT = "attempts are left"
NO_ATTEMPT_LEFT = "no attempt is left"
CANCEL_REQUESTED = "a cancel was requested"
NO_CANCEL_REQUESTED = "no cancel was requested"


def capabilities(site: Site) -> Json:
    """Write the document."""
    return {
        "service": NAME,
        "version": site.version,
        "api_version": API_VERSION,
        "authentication": site.authentication(),
        "task_lifecycle": {
            "states": list(Status),
            "initial_state": CREATED,
            "terminal_states": [status for status in Status if status in TERMINAL],
            "transitions": transitions(),
        },
        "operations": [_operation(row) for row in OPERATIONS],
        "limits": _limits(),
        "idempotency": _idempotency(),
        "plans": _plans(site),
        "rate_limits": rate_limits(site.catalogue),
        "errors": [_error(code, site) for code in ErrorCode],
        "actions": [_action(code) for code in ActionCode],
        "artifact_base_url": site.artifact_base_url,
    }


def transitions() -> list[Json]:
    """Write the transition table: one entry for each way from one state to another."""
    found: list[Json] = []
    for (status, verb), row in TABLE.items():
        for target, conditions in _ways(row):
            when = ", ".join([row.guard, *conditions])
            found.append({"from": status, "to": target, "trigger": verb, "when": when})
    return found


def _ways(row: Transition) -> list[tuple[Status, list[str]]]:
    """Pair each state a row leads to with what decides for it beside the guard."""
    if row.exhausted is None:
        ways: list[tuple[Status, list[str]]] = [(row.target, [])]
    else:
        ways = [(row.target, [ATTEMPTS_LEFT]), (row.exhausted, [NO_ATTEMPT_LEFT])]
    if row.withdrawn is None:
        return ways
    wanted = [(target, [NO_CANCEL_REQUESTED, *conditions]) for target, conditions in ways]
    return [*wanted, (row.withdrawn, [CANCEL_REQUESTED])]


def _operation(row: Operation) -> Json:
    return {"operation": row.name, "method": row.method, "path": row.path}


def _limits() -> Json:
    return {
        "request": {
            "body_bytes_max": limits.BODY_BYTES_MAX,
            "body_nesting_max": limits.BODY_NESTING_MAX,
            "query_bytes_max": limits.QUERY_BYTES_MAX,
        },
        "batch": {
            "items_max": limits.BATCH_ITEMS_MAX,
            "body_bytes_max": limits.BATCH_BODY_BYTES_MAX,
            "beside_items_bytes_max": limits.BATCH_BESIDE_BYTES_MAX,
            "fields_max": limits.BATCH_NAMES_MAX,
        },
        "waiting_claims": {
            "wait_seconds": _range(0, limits.WAIT_SECONDS_MAX, 0),
            "types_max": limits.CLAIM_TYPES_MAX,
            "per_server_max": limits.WAITERS_MAX,
            "per_account_and_server_max": limits.WAITERS_PER_ACCOUNT_MAX,
            "per_worker_of_the_plan": limits.WAITERS_PER_WORKER,
            "tasks_per_request_max": limits.WAIT_TASKS_MAX,
            "tasks_per_server_max": limits.WATCHED_TASKS_MAX,
            "tasks_of_all_requests_per_server_max": limits.WATCH_ENTRIES_MAX,
        },
        "claim_max_tasks": {"min": limits.CLAIM_TASKS_MIN, "max": limits.CLAIM_TASKS_MAX},
        "payload_and_result": {
            "bytes_max": limits.DOCUMENT_BYTES_MAX,
            "depth_max": limits.DOCUMENT_DEPTH_MAX,
            "integer_digits_max": limits.INTEGER_DIGITS_MAX,
        },
        "lengths_max": {
            "type": limits.TYPE_LENGTH_MAX,
            "task_id": limits.TASK_ID_LENGTH_MAX,
            "worker_id": limits.WORKER_ID_LENGTH_MAX,
            "output_id": limits.OUTPUT_ID_LENGTH_MAX,
            "reason": limits.REASON_LENGTH_MAX,
            "email": limits.EMAIL_LENGTH_MAX,
            "cursor": limits.CURSOR_LENGTH_MAX,
            "lease_token": limits.LEASE_TOKEN_LENGTH_MAX,
            "idempotency_key": limits.IDEMPOTENCY_KEY_LENGTH_MAX,
        },
        "priority": _range(limits.PRIORITY_MIN, limits.PRIORITY_MAX, limits.PRIORITY_DEFAULT),
        "max_attempts": _range(limits.ATTEMPTS_MIN, limits.ATTEMPTS_MAX, limits.ATTEMPTS_DEFAULT),
        "lease_duration_seconds": _range(
            limits.LEASE_SECONDS_MIN, limits.LEASE_SECONDS_MAX, limits.LEASE_SECONDS_DEFAULT
        ),
        "checkout": {
            "life_seconds": limits.CHECKOUT_SECONDS,
            "opening_seconds_max": limits.CHECKOUT_START_SECONDS,
            "paid_seconds": limits.BILLING_SECONDS,
            "paid_days_ahead_max": limits.PLAN_DAYS_AHEAD_MAX,
        },
        "releases": {"before_failure_max": limits.RELEASES_MAX},
        "page_size": _range(limits.PAGE_SIZE_MIN, limits.PAGE_SIZE_MAX, limits.PAGE_SIZE_DEFAULT),
        "retry_after_seconds": {
            "min": limits.RETRY_AFTER_SECONDS_MIN,
            "max": limits.RETRY_AFTER_SECONDS_MAX,
        },
        "schedule": {
            "ahead_seconds_max": limits.SCHEDULE_AHEAD_SECONDS_MAX,
            "behind_seconds_max": limits.SCHEDULE_BEHIND_SECONDS_MAX,
        },
        "explanations": {
            "counted_max": limits.COUNTED_MAX,
            "similar_types_max": limits.SIMILAR_TYPES_MAX,
            "types_compared_max": limits.TYPES_COMPARED_MAX,
            "types_asked_max": limits.TYPES_ASKED_MAX,
        },
        "stats": {
            "kept_seconds": limits.STATS_SECONDS,
            "rate_seconds": limits.RATE_SECONDS,
            "types_max": limits.STATS_TYPES_MAX,
            "types_read_max": limits.STATS_TYPES_READ_MAX,
        },
        "waits": {
            "heartbeats_per_lease": limits.HEARTBEATS_PER_LEASE,
            "empty_claim_seconds": limits.EMPTY_CLAIM_WAIT_SECONDS,
            "waited_claim_seconds": limits.WAITED_CLAIM_WAIT_SECONDS,
            "too_many_waiting_seconds": limits.WAITERS_FULL_WAIT_SECONDS,
            "server_error_seconds": limits.SERVER_ERROR_WAIT_SECONDS,
            "max_workers_seconds_max": limits.MAX_WORKERS_WAIT_SECONDS_MAX,
            "not_approved_seconds": limits.NOT_APPROVED_WAIT_SECONDS,
            "money_pending_seconds": limits.MONEY_PENDING_WAIT_SECONDS,
            "payments_seconds": limits.PAYMENTS_WAIT_SECONDS,
        },
    }


def _range(low: int, high: int, default: int) -> Json:
    return {"min": low, "max": high, "default": default}


def _idempotency() -> Json:
    return {
        "operations": ["create_task", "create_tasks"],
        "header": "Idempotency-Key",
        "body_field": "idempotencyKey",
        "claims": {
            "operations": ["claim_next_task", "claim_task"],
            "header": "Idempotency-Key",
            "life": "while the lease of the claim is live",
            "replay": _replay("claim_next_task"),
        },
        "life_seconds": limits.IDEMPOTENCY_LIFE_SECONDS,
        "in_flight_wait_seconds": limits.IN_FLIGHT_WAIT_SECONDS,
        "replay": _replay("create_task"),
    }


def _replay(operation: str) -> Json:
    return {"status": BY_NAME[operation].status, "header": "Idempotent-Replayed"}


def _plans(site: Site) -> Json:
    plans = site.catalogue.plans
    return {
        "url": site.link(BY_NAME["list_plans"].path),
        "cycle_seconds": limits.CYCLE_SECONDS,
        "purchasable": site.sells_plans,
        "default": FREE,
        "max_workers": {name: plan.max_workers for name, plan in plans.items()},
        "tasks_per_cycle": {name: plan.tasks_per_cycle for name, plan in plans.items()},
        "retention_days": {name: plan.retention_days for name, plan in plans.items()},
    }


def _error(code: ErrorCode, site: Site) -> Json:
    row = CATALOGUE[code]
    buying = row.action in (ActionCode.UPGRADE_PLAN, ActionCode.RENEW_PLAN)
    action = ActionCode.CHECK_BILLING_STATUS if buying and not site.sells_plans else row.action
    return {
        "code": code,
        "status": row.statuses[0],
        "statuses": list(row.statuses),
        "retryable": row.retryable,
        "meaning": row.meaning,
        "recommended_action": action,
    }


def _action(code: ActionCode) -> Json:
    row = MEANINGS[code]
    return {"code": code, "meaning": row.meaning, "operations": list(row.operations)}
