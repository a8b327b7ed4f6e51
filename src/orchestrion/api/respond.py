"""From outcomes to bytes: the only encoder, and the only place that writes headers."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, cast

import msgspec
from msgspec import UNSET

from orchestrion.api.http import Header, Request, Response
from orchestrion.core import contract
from orchestrion.core.bodies import (
    BillingContext,
    ClaimAnswer,
    ErrorAnswer,
    ErrorDetails,
    TaskAnswer,
    TaskWithContract,
)
from orchestrion.core.contract import AgentContract, Attempt, Guide
from orchestrion.core.errors import CATALOGUE, ErrorCode
from orchestrion.core.ids import is_task_id
from orchestrion.core.instants import Instant, format_instant
from orchestrion.core.outcomes import (
    Changed,
    Held,
    NoTask,
    Outcome,
    Rejection,
    Replayed,
    Window,
)
from orchestrion.core.task import Task

JSON: Header = (b"content-type", b"application/json")
NO_STORE: Header = (b"cache-control", b"no-store")
HEADERS: Sequence[Header] = (JSON, NO_STORE)
CHALLENGE: Header = (
    b"www-authenticate",
    b'Bearer realm="orchestrion", error="invalid_token"',
)
CHALLENGE_FIRST: Header = (b"www-authenticate", b'Bearer realm="orchestrion"')
REPLAYED: Header = (b"idempotent-replayed", b"true")

_task_answer = cast("Callable[..., TaskAnswer]", TaskAnswer)
_task_with_contract = cast("Callable[..., TaskWithContract]", TaskWithContract)
_ENCODER = msgspec.json.Encoder()
_MISSING_OK = frozenset({429, 503})


def encode(answer: object) -> bytes:
    """Write an answer as JSON."""
    return _ENCODER.encode(answer)


class Responder:
    """Answers with guidance."""

    def __init__(self, guide: Guide) -> None:
        self.guide = guide

    def changed(self, outcome: Changed | Held, status: int) -> Response:
        """Answer with a task."""
        if isinstance(outcome, Held):
            guidance = self.guide.holding(outcome.task, outcome.now)
        else:
            guidance = self.guide.viewing(outcome.task, outcome.now)
        body = encode(with_contract(outcome.task, guidance))
        return Response(status=status, body=body, headers=_headers(outcome.window))

    def replayed(self, outcome: Replayed) -> Response:
        """Answer a repeated create as the first time, guided by how things are now."""
        guidance = contract.REPLAYED_PURGED
        if outcome.current is not None:
            guidance = self.guide.viewing(outcome.current, outcome.now)
        body = encode(with_contract(outcome.first, guidance))
        return Response(status=201, body=body, headers=(*_headers(outcome.window), REPLAYED))

    def claimed(self, outcome: Held | NoTask) -> Response:
        """Answer a claim."""
        if isinstance(outcome, NoTask):
            answer = ClaimAnswer(task=None, agent_contract=contract.EMPTY_CLAIM)
        else:
            task = outcome.task
            answer = ClaimAnswer(
                task=task_answer(task),
                lease_token=task.lease_token or UNSET,
                agent_contract=self.guide.claimed(task, outcome.now),
            )
        return Response(status=200, body=encode(answer), headers=_headers(outcome.window))

    def refused(self, rejection: Rejection, request: Request) -> Response:
        """Answer a refusal."""
        row = CATALOGUE[rejection.code]
        answer = ErrorAnswer(
            error=rejection.code,
            message=rejection.message or row.message,
            request_id=request.request_id,
            agent_contract=self.guide.refused(rejection, attempt_of(request)),
            billing_context=_billing_context(rejection),
            details=ErrorDetails(reason=rejection.reason) if rejection.reason else UNSET,
        )
        status = rejection.status or row.statuses[0]
        return Response(
            status=status,
            body=encode(answer),
            headers=(*_headers(rejection.window), *_refusal_headers(rejection, status)),
            error=rejection.code,
        )

    def outcome(self, outcome: Outcome, request: Request) -> Response:
        """Answer what deciding a task command came to."""
        match outcome:
            case Changed() | Held():
                return self.changed(outcome, request.operation.status)
            case Rejection():
                return self.refused(outcome, request)
            case Replayed():
                return self.replayed(outcome)
            case _:
                message = f"no answer for {type(outcome).__name__}"
                raise AssertionError(message)


def attempt_of(request: Request) -> Attempt:
    """Describe the request for guidance; an id that is none of ours is not written back."""
    operation = request.operation
    known = is_task_id(request.path_id)
    return Attempt(
        method=operation.method,
        endpoint=operation.path.replace("{id}", request.path_id) if known else operation.path,
        task_id=request.path_id if known else "",
        repeatable=request.repeatable,
    )


def task_answer(task: Task) -> TaskAnswer:
    """Write a task as it stands on the wire."""
    return _task_answer(*_fields(task))


def with_contract(task: Task, guidance: AgentContract) -> TaskWithContract:
    """Write a task with its guidance beside it."""
    return _task_with_contract(*_fields(task), guidance)


def _fields(task: Task) -> tuple[Any, ...]:
    """Give the fields of TaskAnswer in their order."""
    return (
        task.id,
        task.type,
        msgspec.Raw(task.payload),
        task.status,
        task.priority,
        _instant(task.scheduled_at),
        task.attempt_count,
        task.max_attempts,
        task.lease_seconds,
        task.claimed_by,
        _instant(task.claimed_at),
        _instant(task.lease_expires_at),
        _instant(task.last_heartbeat_at),
        format_instant(task.created_at),
        format_instant(task.updated_at),
        _instant(task.completed_at),
        _instant(task.last_failed_at),
        task.last_failure_reason,
        None if task.result is None else msgspec.Raw(task.result),
        task.output_id,
    )


def number(price: Decimal) -> msgspec.Raw:
    """Write a decimal price as a JSON number without passing through a float."""
    return msgspec.Raw(format(price, "f"))


def window_headers(window: Window) -> Sequence[Header]:
    """Write where a limit stands (IETF RateLimit fields, draft 11)."""
    name = window.name
    return (
        (b"ratelimit-policy", f'"{name}";q={window.limit};w={window.window_seconds}'.encode()),
        (b"ratelimit", f'"{name}";r={window.remaining};t={window.reset_seconds}'.encode()),
    )


def _headers(window: Window | None) -> Sequence[Header]:
    return HEADERS if window is None else (*HEADERS, *window_headers(window))


def _refusal_headers(rejection: Rejection, status: int) -> Sequence[Header]:
    if rejection.code is ErrorCode.MISSING_API_KEY:
        return (CHALLENGE_FIRST,)
    if rejection.code is ErrorCode.INVALID_API_KEY:
        return (CHALLENGE,)
    if status in _MISSING_OK and rejection.wait_seconds:
        return ((b"retry-after", str(rejection.wait_seconds).encode()),)
    return ()


def _billing_context(rejection: Rejection) -> BillingContext | msgspec.UnsetType:
    workers = rejection.workers
    if workers is None:
        return UNSET
    return BillingContext(
        plan=workers.plan,
        workers_in_use=workers.workers_in_use,
        workers_limit=workers.workers_limit,
    )


def _instant(instant: Instant | None) -> str | None:
    return None if instant is None else format_instant(instant)
