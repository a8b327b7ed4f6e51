"""From a request and its parsed body to a command; what a decoder cannot check is checked here."""

import json
import re
from typing import TypeVar

from msgspec import UNSET, UnsetType

from orchestrion.api.http import Request
from orchestrion.core import idempotency
from orchestrion.core.bodies import CompleteBody, CreateBody, FailBody, HeartbeatBody
from orchestrion.core.commands import CompleteTask, CreateTask, FailTask, Heartbeat
from orchestrion.core.ids import LeaseToken, TaskId
from orchestrion.core.instants import Instant, parse_instant
from orchestrion.core.lease import Completion, Failure
from orchestrion.core.limits import IDEMPOTENCY_KEY_LENGTH_MAX
from orchestrion.core.strict_json import JsonObject, Malformed, canonical, document
from orchestrion.engine.mint import Mint

Given = TypeVar("Given", str, int)

_KEY = re.compile(rf"[\x20-\x7e]{{1,{IDEMPOTENCY_KEY_LENGTH_MAX}}}")
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_DOT_NAMES = frozenset({".", ".."})
# Beside the body, these are what makes two creates the same request (decisions §4).
_SAME = ("type", "priority", "max_attempts", "lease_duration_seconds")


def create(mint: Mint, request: Request, body: CreateBody, value: JsonObject) -> CreateTask:
    """Make the command of a create."""
    payload = document("payload", bytes(body.payload), value["payload"])
    scheduled_at = _scheduled_at(body.scheduled_at)
    key = _create_key(body, request)
    request.repeatable = key is not None
    return CreateTask(
        account_id=request.account_id,
        task_id=mint.task_id(),
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


def complete(request: Request, body: CompleteBody, value: JsonObject) -> CompleteTask:
    """Make the command of a completion."""
    if body.output_id is not UNSET and body.output_id in _DOT_NAMES:
        raise Malformed("'output_id' must not be '.' or '..'.")
    result = None
    if body.result is not UNSET:
        result = document("result", bytes(body.result), value["result"])
    return CompleteTask(
        account_id=request.account_id,
        task_id=TaskId(request.path_id),
        lease_token=lease_token(request, body.lease_token),
        completion=Completion(result=result, output_id=given(body.output_id)),
    )


def fail(request: Request, body: FailBody, _: JsonObject) -> FailTask:
    """Make the command of a failed attempt."""
    return FailTask(
        account_id=request.account_id,
        task_id=TaskId(request.path_id),
        lease_token=lease_token(request, body.lease_token),
        failure=Failure(
            reason=given(body.reason),
            retry_after_seconds=given(body.retry_after_seconds),
        ),
    )


def heartbeat(request: Request, body: HeartbeatBody, _: JsonObject) -> Heartbeat:
    """Make the command of a heartbeat."""
    return Heartbeat(
        account_id=request.account_id,
        task_id=TaskId(request.path_id),
        lease_token=lease_token(request, body.lease_token),
    )


def lease_token(request: Request, text: str | UnsetType) -> LeaseToken | None:
    """Read the token that fences a request; with it a repeat can have no second effect."""
    if text is UNSET:
        return None
    request.repeatable = True
    return LeaseToken(text)


def given(value: Given | UnsetType) -> Given | None:
    """Give what was sent, or None."""
    return None if value is UNSET else value


def header_key(request: Request) -> str | None:
    """Read the Idempotency-Key header, bare or quoted."""
    header = request.headers.get(b"idempotency-key")
    if header is None:
        return None
    key = header.decode("latin-1")
    if len(key) > 1 and key.startswith('"') and key.endswith('"'):
        key = key[1:-1]
    if not _KEY.fullmatch(key):
        message = (
            f"Idempotency-Key must be 1 to {IDEMPOTENCY_KEY_LENGTH_MAX} printable ASCII characters."
        )
        raise Malformed(message)
    return key


def _create_key(body: CreateBody, request: Request) -> str | None:
    in_body = given(body.idempotency_key)
    in_header = header_key(request)
    if in_body is not None and in_header is not None and in_body != in_header:
        raise Malformed("The idempotency keys in body and header differ.")
    return in_header if in_body is None else in_body


def _digest(body: CreateBody, payload: str, scheduled_at: Instant | None) -> bytes:
    same = {name: getattr(body, name) for name in _SAME}
    request = {**same, "payload": canonical(payload), "scheduled_at": scheduled_at}
    return idempotency.digest(json.dumps(request, sort_keys=True, separators=(",", ":")).encode())


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
