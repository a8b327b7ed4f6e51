"""The ten task operations: parse, make a command, submit, respond. No rules."""

import json
import re
from typing import TypeVar

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from orchestrion.api.decoding import decode
from orchestrion.api.http import Header, Request, Response
from orchestrion.api.limits import Limiter
from orchestrion.api.query import next_page_endpoint, page_query
from orchestrion.api.respond import HEADERS, Responder, encode, with_contract
from orchestrion.core import idempotency
from orchestrion.core.bodies import (
    ClaimNextBody,
    ClaimTaskBody,
    CompleteBody,
    CreateBody,
    FailBody,
    HeartbeatBody,
    ListAnswer,
    NoBody,
    PageInfo,
)
from orchestrion.core.commands import (
    CancelTask,
    ClaimNext,
    ClaimTask,
    CompleteTask,
    CreateTask,
    FailTask,
    Heartbeat,
    RequeueTask,
)
from orchestrion.core.contract import listed
from orchestrion.core.errors import ErrorCode
from orchestrion.core.ids import LeaseToken, TaskId
from orchestrion.core.instants import Instant, parse_instant
from orchestrion.core.lease import Completion, Failure, Lease
from orchestrion.core.limits import IDEMPOTENCY_KEY_LENGTH_MAX
from orchestrion.core.listing import cursor_after
from orchestrion.core.operations import Allowance
from orchestrion.core.outcomes import Held, NoTask, Outcome, Rejection
from orchestrion.core.strict_json import Malformed, canonical, document
from orchestrion.engine.mint import Mint
from orchestrion.engine.ports import Reader
from orchestrion.engine.writer import Writer

Given = TypeVar("Given", str, int)

_KEY = re.compile(rf"[\x20-\x7e]{{1,{IDEMPOTENCY_KEY_LENGTH_MAX}}}")
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_DOT_NAMES = frozenset({".", ".."})
# Beside the body, these are what makes two creates the same request (decisions §4).
_SAME = ("type", "priority", "max_attempts", "lease_duration_seconds")


class TaskHandlers:
    """Handlers for the tasks of an account."""

    def __init__(
        self, writer: Writer, reader: Reader, responder: Responder, mint: Mint, limiter: Limiter
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._responder = responder
        self._mint = mint
        self._limiter = limiter

    async def create_task(self, request: Request) -> Response:
        """POST /v1/tasks."""
        command = self._create(request)
        request.repeatable = command.idempotency_key is not None
        return self._responder.outcome(await self._writer.submit(command), request)

    async def claim_next_task(self, request: Request) -> Response:
        """POST /v1/tasks/claim. An empty answer counts as a read (decisions §8)."""
        body, _ = decode(request.body, ClaimNextBody)
        principal = request.principal
        assert principal is not None, "a keyed operation"
        refused = self._limiter.exhausted(Allowance.READS, principal)
        if refused:
            return self._responder.refused(refused, request)
        command = ClaimNext(
            account_id=principal.account_id,
            type=body.type,
            lease=self._lease(body),
        )
        outcome = await self._writer.submit(command)
        if isinstance(outcome, NoTask):
            self._limiter.admit_key(Allowance.READS, principal)
        return self._claimed(outcome, request)

    async def claim_task(self, request: Request) -> Response:
        """POST /v1/tasks/{id}/claim."""
        body, _ = decode(request.body, ClaimTaskBody)
        command = ClaimTask(
            account_id=request.account_id,
            task_id=TaskId(request.path_id),
            lease=self._lease(body),
        )
        return self._claimed(await self._writer.submit(command), request)

    async def complete_task(self, request: Request) -> Response:
        """POST /v1/tasks/{id}/complete."""
        body, value = decode(request.body, CompleteBody)
        if body.output_id is not UNSET and body.output_id in _DOT_NAMES:
            raise Malformed("'output_id' must not be '.' or '..'.")
        result = None
        if body.result is not UNSET:
            result = document("result", bytes(body.result), value["result"])
        request.repeatable = body.lease_token is not UNSET
        command = CompleteTask(
            account_id=request.account_id,
            task_id=TaskId(request.path_id),
            lease_token=_token(body.lease_token),
            completion=Completion(result=result, output_id=_given(body.output_id)),
        )
        return self._responder.outcome(await self._writer.submit(command), request)

    async def fail_task(self, request: Request) -> Response:
        """POST /v1/tasks/{id}/fail."""
        body, _ = decode(request.body, FailBody)
        request.repeatable = body.lease_token is not UNSET
        command = FailTask(
            account_id=request.account_id,
            task_id=TaskId(request.path_id),
            lease_token=_token(body.lease_token),
            failure=Failure(
                reason=_given(body.reason),
                retry_after_seconds=_given(body.retry_after_seconds),
            ),
        )
        return self._responder.outcome(await self._writer.submit(command), request)

    async def heartbeat(self, request: Request) -> Response:
        """POST /v1/tasks/{id}/heartbeat."""
        body, _ = decode(request.body, HeartbeatBody)
        request.repeatable = body.lease_token is not UNSET
        command = Heartbeat(
            account_id=request.account_id,
            task_id=TaskId(request.path_id),
            lease_token=_token(body.lease_token),
        )
        return self._responder.outcome(await self._writer.submit(command), request)

    async def cancel_task(self, request: Request) -> Response:
        """POST /v1/tasks/{id}/cancel."""
        decode(request.body, NoBody)
        command = CancelTask(account_id=request.account_id, task_id=TaskId(request.path_id))
        return self._responder.outcome(await self._writer.submit(command), request)

    async def requeue_task(self, request: Request) -> Response:
        """POST /v1/tasks/{id}/requeue."""
        decode(request.body, NoBody)
        command = RequeueTask(account_id=request.account_id, task_id=TaskId(request.path_id))
        return self._responder.outcome(await self._writer.submit(command), request)

    async def check_task_status(self, request: Request) -> Response:
        """GET /v1/tasks/{id}."""
        found = await self._reader.task(request.account_id, TaskId(request.path_id))
        if not found.tasks:
            return self._responder.refused(Rejection(code=ErrorCode.TASK_NOT_FOUND), request)
        task = found.tasks[0]
        guidance = self._responder.guide.viewing(task, found.now)
        return Response(status=200, body=encode(with_contract(task, guidance)), headers=HEADERS)

    async def list_tasks(self, request: Request) -> Response:
        """GET /v1/tasks."""
        page = page_query(request.account_id, dict(request.query))
        # One row more than asked for tells whether there is a next page.
        found = await self._reader.page(replace(page, limit=page.limit + 1))
        shown = found.tasks[: page.limit]
        cursor = cursor_after(page, shown[-1]) if len(found.tasks) > page.limit else None
        endpoint = None if cursor is None else next_page_endpoint(page, cursor)
        viewing = self._responder.guide.viewing
        answer = ListAnswer(
            items=[with_contract(task, viewing(task, found.now)) for task in shown],
            page_info=PageInfo(next_cursor=cursor, has_more=cursor is not None),
            agent_contract=listed(endpoint),
        )
        headers: tuple[Header, ...] = (*HEADERS,)
        if endpoint is not None:
            headers += ((b"link", f'<{endpoint}>; rel="next"'.encode()),)
        return Response(status=200, body=encode(answer), headers=headers)

    def _lease(self, body: ClaimNextBody | ClaimTaskBody) -> Lease:
        return Lease(worker_id=_given(body.worker_id), token=self._mint.lease_token())

    def _claimed(self, outcome: Outcome, request: Request) -> Response:
        if isinstance(outcome, Held | NoTask):
            return self._responder.claimed(outcome)
        return self._responder.outcome(outcome, request)

    def _create(self, request: Request) -> CreateTask:
        body, value = decode(request.body, CreateBody)
        payload = document("payload", bytes(body.payload), value["payload"])
        scheduled_at = _scheduled_at(body.scheduled_at)
        key = _idempotency_key(body, request)
        return CreateTask(
            account_id=request.account_id,
            task_id=self._mint.task_id(),
            type=body.type,
            payload=payload,
            priority=body.priority,
            max_attempts=body.max_attempts,
            lease_seconds=body.lease_duration_seconds,
            scheduled_at=scheduled_at,
            idempotency_key=key,
            request_digest=b"" if key is None else _digest(body, payload, scheduled_at),
            traceparent=_traceparent(request),
        )


def _digest(body: CreateBody, payload: str, scheduled_at: Instant | None) -> bytes:
    same = {name: getattr(body, name) for name in _SAME}
    request = {**same, "payload": canonical(payload), "scheduled_at": scheduled_at}
    return idempotency.digest(json.dumps(request, sort_keys=True, separators=(",", ":")).encode())


def _idempotency_key(body: CreateBody, request: Request) -> str | None:
    in_body = None if body.idempotency_key is UNSET else body.idempotency_key
    header = request.headers.get(b"idempotency-key")
    if header is None:
        return in_body
    in_header = header.decode("latin-1")
    if len(in_header) > 1 and in_header.startswith('"') and in_header.endswith('"'):
        in_header = in_header[1:-1]
    if not _KEY.fullmatch(in_header):
        message = (
            f"Idempotency-Key must be 1 to {IDEMPOTENCY_KEY_LENGTH_MAX} printable ASCII characters."
        )
        raise Malformed(message)
    if in_body is not None and in_body != in_header:
        raise Malformed("The idempotency keys in body and header differ.")
    return in_header


def _scheduled_at(text: str | UnsetType) -> Instant | None:
    if text is UNSET:
        return None
    instant = parse_instant(text)
    if instant is None:
        raise Malformed("'scheduledAt' must be an RFC 3339 time with an offset.")
    return instant


def _traceparent(request: Request) -> str | None:
    sent = request.headers.get(b"traceparent")
    if sent is None or not _TRACEPARENT.fullmatch(sent):
        return None
    return sent.decode("ascii")


def _token(text: str | UnsetType) -> LeaseToken | None:
    return None if text is UNSET else LeaseToken(text)


def _given(value: Given | UnsetType) -> Given | None:
    return None if value is UNSET else value
