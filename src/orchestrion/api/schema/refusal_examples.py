"""Examples of refusals, written by the code that refuses."""

import msgspec

from orchestrion.api.app import WRONG_METHOD
from orchestrion.api.endpoint import NO_PAYMENTS_NOW
from orchestrion.api.http import Request
from orchestrion.api.keys import CLOSED
from orchestrion.api.respond import Responder
from orchestrion.api.schema import scenes
from orchestrion.api.webhook import NO_EVENTS, NOT_GENUINE
from orchestrion.core import payment_refusals, purchasing
from orchestrion.core import purchase_lifecycle as lifecycle
from orchestrion.core.claim_keys import IN_USE
from orchestrion.core.errors import ErrorCode
from orchestrion.core.ids import RequestId
from orchestrion.core.limits import (
    IN_FLIGHT_WAIT_SECONDS,
    PAYMENTS_WAIT_SECONDS,
    SERVER_ERROR_WAIT_SECONDS,
)
from orchestrion.core.operations import BY_NAME
from orchestrion.core.outcomes import Rejection, Situation, WorkersInUse
from orchestrion.core.plans import HOSTED

_E = ErrorCode
_REQUEST_ID = RequestId("req_01M814Q2XKP1XPA7Z3DJ8FSSZ5")
_LATER = scenes.LATER
_SECONDS = 212


class _Refused(msgspec.Struct, frozen=True):
    operation: str
    rejection: Rejection


def _plain(operation: str, code: ErrorCode) -> _Refused:
    return _Refused(operation, Rejection(code=code))


def _invalid(operation: str, status: int, message: str) -> _Refused:
    return _Refused(operation, Rejection(code=_E.INVALID_REQUEST, status=status, message=message))


def refusal_examples(responder: Responder) -> dict[str, object]:
    """Give the body of each refusal under its name."""
    rows = {**_requests(), **_states(), **_limits(), **_payments(), **_faults()}
    return {name: _body(responder, row) for name, row in rows.items()}


def _body(responder: Responder, row: _Refused) -> object:
    operation = BY_NAME[row.operation]
    request = Request(
        operation=operation,
        request_id=_REQUEST_ID,
        headers={},
        path_id=scenes.PENDING.id if "{id}" in operation.path else "",
    )
    return msgspec.json.decode(responder.refused(row.rejection, request).body)


def _requests() -> dict[str, _Refused]:
    return {
        _E.MISSING_API_KEY: _plain("create_task", _E.MISSING_API_KEY),
        _E.INVALID_API_KEY: _plain("create_task", _E.INVALID_API_KEY),
        _E.INVALID_REQUEST: _plain("create_task", _E.INVALID_REQUEST),
        _E.TASK_NOT_FOUND: _plain("check_task_status", _E.TASK_NOT_FOUND),
        "registration_closed": _invalid("register_key", 404, CLOSED),
        "wrong_method": _invalid("create_task", 405, WRONG_METHOD),
        "too_large": _invalid("create_task", 413, "The body is too large."),
        "wrong_media": _invalid("create_task", 415, "Send the body as application/json."),
        _E.IDEMPOTENCY_CONFLICT: _plain("create_task", _E.IDEMPOTENCY_CONFLICT),
        "claim_key_in_use": _Refused(
            "claim_next_task",
            Rejection(
                code=_E.IDEMPOTENCY_CONFLICT,
                message=IN_USE,
                situation=Situation.CLAIM_KEY_IN_USE,
            ),
        ),
        _E.IDEMPOTENCY_IN_FLIGHT: _Refused(
            "create_task",
            Rejection(code=_E.IDEMPOTENCY_IN_FLIGHT, wait_seconds=IN_FLIGHT_WAIT_SECONDS),
        ),
    }


def _states() -> dict[str, _Refused]:
    return {
        _E.INVALID_TRANSITION: _Refused(
            "claim_task",
            Rejection(code=_E.INVALID_TRANSITION, task=scenes.CLAIMED, now=_LATER),
        ),
        _E.LEASE_EXPIRED: _Refused(
            "complete_task",
            Rejection(
                code=_E.LEASE_EXPIRED, task=scenes.CLAIMED, now=scenes.TOO_LATE, reason="expired"
            ),
        ),
        _E.TASK_CURRENTLY_CLAIMED: _Refused(
            "cancel_task",
            Rejection(
                code=_E.TASK_CURRENTLY_CLAIMED,
                task=scenes.CLAIMED,
                now=_LATER,
                wait_seconds=_SECONDS,
            ),
        ),
        _E.NOT_YET_CLAIMABLE: _Refused(
            "claim_task",
            Rejection(code=_E.NOT_YET_CLAIMABLE, task=scenes.DELAYED, now=_LATER, wait_seconds=60),
        ),
    }


def _limits() -> dict[str, _Refused]:
    workers = WorkersInUse(
        plan="free", workers_in_use=2, workers_limit=HOSTED.plans["free"].max_workers
    )
    return {
        _E.RATE_LIMITED: _Refused(
            "create_task", Rejection(code=_E.RATE_LIMITED, wait_seconds=_SECONDS)
        ),
        _E.MAX_WORKERS_REACHED: _Refused(
            "claim_next_task",
            Rejection(code=_E.MAX_WORKERS_REACHED, wait_seconds=30, workers=workers),
        ),
        _E.QUOTA_EXCEEDED: _plain("create_task", _E.QUOTA_EXCEEDED),
        _E.PLAN_EXPIRED: _plain("create_task", _E.PLAN_EXPIRED),
    }


def _payments() -> dict[str, _Refused]:
    open_one, later = scenes.PURCHASE, scenes.LATER
    pending = lifecycle.open_checkout(open_one, open_one, later)
    assert isinstance(pending, Rejection), "one is pending"
    return {
        _E.PAYMENT_FAILED: _Refused("verify_payment", payment_refusals.declined(later)),
        "not_approved": _Refused("verify_payment", lifecycle.not_approved(later)),
        "checkout_expired": _Refused("verify_payment", lifecycle.ran_out(later)),
        "unknown_purchase": _Refused("verify_payment", purchasing.unknown_purchase(later)),
        "unknown_plan": _Refused("start_checkout", purchasing.unknown_plan(later)),
        "checkout_pending": _Refused("start_checkout", pending),
        "payments_off": _Refused("start_checkout", payment_refusals.payments_off(later)),
        "no_payments_now": _Refused(
            "verify_payment",
            Rejection(
                code=_E.SERVER_ERROR,
                status=503,
                message=NO_PAYMENTS_NOW,
                wait_seconds=PAYMENTS_WAIT_SECONDS,
            ),
        ),
        "not_genuine": _invalid("receive_payment_event", 400, NOT_GENUINE),
        "no_events": _Refused("receive_payment_event", NO_EVENTS),
    }


def _faults() -> dict[str, _Refused]:
    wait = SERVER_ERROR_WAIT_SECONDS
    return {
        _E.SERVER_ERROR: _Refused(
            "create_task", Rejection(code=_E.SERVER_ERROR, wait_seconds=wait)
        ),
        "server_busy": _Refused(
            "create_task", Rejection(code=_E.SERVER_ERROR, status=503, wait_seconds=wait)
        ),
        "commit_unknown": _Refused(
            "create_task",
            Rejection(
                code=_E.SERVER_ERROR,
                message="The write may or may not have taken effect.",
                situation=Situation.COMMIT_UNKNOWN,
            ),
        ),
    }
