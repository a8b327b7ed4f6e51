"""From outcomes to bytes: the only encoder, and the only place that writes headers."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final, cast

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from orchestrion.api.http import Header, Request, Response
from orchestrion.core import contract
from orchestrion.core.bodies import (
    BillingContext,
    ClaimAnswer,
    ClaimedTask,
    ErrorAnswer,
    ErrorDetails,
    FinishedAnswer,
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
    Situation,
    Window,
)
from orchestrion.core.purchase import Purchase
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
_finished_answer = cast("Callable[..., FinishedAnswer]", FinishedAnswer)
_ENCODER = msgspec.json.Encoder()
CREATED: Final = 201
CLAIM = Attempt(method="POST", endpoint="/v1/tasks/claim")
_MISSING_OK = frozenset({429, 503})


def encode(answer: object) -> bytes:
    """Write an answer as JSON."""
    return _ENCODER.encode(answer)


class Responder:
    """Answers with guidance."""

    def __init__(self, guide: Guide) -> None:
        self.guide = guide

    def claimed(self, outcome: Held | NoTask) -> Response:
        """Answer a claim."""
        return _claim_response(outcome, self._claim_answer(outcome))

    def claimed_several(self, outcome: Held | NoTask) -> Response:
        """Answer a claim that may hand out several tasks."""
        tasks = (outcome.task, *outcome.more) if isinstance(outcome, Held) else ()
        answer = replace(self._claim_answer(outcome), tasks=[_claimed_task(one) for one in tasks])
        return _claim_response(outcome, answer)

    def finished(self, outcome: Changed, claimed: Outcome, request: Request) -> Response:
        """Answer the end of an attempt and the claim behind it; guide by the claim."""
        found: Task | None = None
        error: str | UnsetType = UNSET
        match claimed:
            case Held():
                found = claimed.task
                guidance = self.guide.holding(found, claimed.now)
            case NoTask():
                guidance = contract.nothing_claimed(claimed)
            case Rejection():
                error = claimed.code
                unknown = claimed.situation is Situation.COMMIT_UNKNOWN
                guidance = self.guide.refused(claimed, attempt_of(request) if unknown else CLAIM)
            case _:
                message = f"no answer for {type(claimed).__name__}"
                raise AssertionError(message)
        answer = _finished_answer(
            *_fields(outcome.task),
            # What ended has ended: this very request need not be sent again, and was no claim.
            replace(guidance, retryable=False, task_claimable=UNSET),
            None if found is None else task_answer(found),
            (found and found.lease_token) or UNSET,
            error,
        )
        return Response(status=200, body=encode(answer), headers=HEADERS)

    def _claim_answer(self, outcome: Held | NoTask) -> ClaimAnswer:
        if isinstance(outcome, NoTask):
            return ClaimAnswer(task=None, agent_contract=contract.nothing_claimed(outcome))
        task = outcome.task
        return ClaimAnswer(
            task=task_answer(task),
            lease_token=task.lease_token or UNSET,
            agent_contract=self.guide.claimed(task, outcome.now),
        )

    def refused(self, rejection: Rejection, request: Request) -> Response:
        """Answer a refusal."""
        status, answer = self._refusal(rejection, request)
        return Response(
            status=status,
            body=encode(answer),
            headers=(*outcome_headers(rejection.window), *_refusal_headers(rejection, status)),
            error=rejection.code,
        )

    def outcome(self, outcome: Outcome, request: Request) -> Response:
        """Answer what deciding a task command came to."""
        if isinstance(outcome, Rejection):
            return self.refused(outcome, request)
        status, answer = self.answer(outcome, request)
        headers = outcome_headers(getattr(outcome, "window", None))
        if isinstance(outcome, Replayed):
            headers = (*headers, REPLAYED)
        return Response(status=status, body=encode(answer), headers=headers)

    def answer(self, outcome: Outcome, request: Request) -> tuple[int, msgspec.Struct]:
        """Give status and body of what deciding a task command came to."""
        match outcome:
            case Changed():
                guidance = self.guide.viewing(outcome.task, outcome.now)
                return request.operation.status, with_contract(outcome.task, guidance)
            case Held():
                guidance = self.guide.holding(outcome.task, outcome.now)
                return request.operation.status, with_contract(outcome.task, guidance)
            case Rejection():
                return self._refusal(outcome, request)
            case Replayed():
                return CREATED, self._replayed(outcome)
            case _:
                message = f"no answer for {type(outcome).__name__}"
                raise AssertionError(message)

    def _refusal(self, rejection: Rejection, request: Request) -> tuple[int, ErrorAnswer]:
        row = CATALOGUE[rejection.code]
        answer = ErrorAnswer(
            error=rejection.code,
            message=rejection.message or row.message,
            request_id=request.request_id,
            agent_contract=self.guide.refused(rejection, attempt_of(request)),
            billing_context=_billing_context(rejection),
            details=ErrorDetails(reason=rejection.reason) if rejection.reason else UNSET,
        )
        if rejection.purchase is not None:
            answer = _pending(answer, rejection.purchase)
        return rejection.status or row.statuses[0], answer

    def _replayed(self, outcome: Replayed) -> TaskWithContract:
        """Show a repeated create as the first time, guided by how things are now."""
        guidance = contract.REPLAYED_PURGED
        if outcome.current is not None:
            guidance = self.guide.viewing(outcome.current, outcome.now)
        return with_contract(outcome.first, guidance)


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


def _claim_response(outcome: Held | NoTask, answer: ClaimAnswer) -> Response:
    headers = outcome_headers(outcome.window)
    if isinstance(outcome, Held) and outcome.replayed:
        headers = (*headers, REPLAYED)
    return Response(status=200, body=encode(answer), headers=headers)


def _claimed_task(task: Task) -> ClaimedTask:
    assert task.lease_token is not None, "a claim makes one"
    return ClaimedTask(task=task_answer(task), lease_token=task.lease_token)


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
        UNSET if task.cancel_requested_at is None else format_instant(task.cancel_requested_at),
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


def outcome_headers(window: Window | None) -> Sequence[Header]:
    """Give the headers of an answer that counts against a limit, or none."""
    return HEADERS if window is None else (*HEADERS, *window_headers(window))


def _refusal_headers(rejection: Rejection, status: int) -> Sequence[Header]:
    if rejection.code is ErrorCode.MISSING_API_KEY:
        return (CHALLENGE_FIRST,)
    if rejection.code is ErrorCode.INVALID_API_KEY:
        return (CHALLENGE,)
    if status in _MISSING_OK and rejection.wait_seconds:
        return ((b"retry-after", str(rejection.wait_seconds).encode()),)
    return ()


def _pending(answer: ErrorAnswer, purchase: Purchase) -> ErrorAnswer:
    return replace(
        answer,
        purchase_id=purchase.id,
        plan_id=purchase.plan_id,
        checkout_url=purchase.checkout_url or UNSET,
        checkout_expires_at=format_instant(purchase.expires_at),
    )


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
