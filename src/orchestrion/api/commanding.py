"""From a request and its parsed body to a command; what a decoder cannot check is checked here."""

import json
import re
from functools import lru_cache
from typing import Final, TypeVar

from msgspec import UNSET, UnsetType

from orchestrion.api.http import Request
from orchestrion.core import idempotency
from orchestrion.core.bodies import (
    ClaimNextBody,
    CompleteBody,
    CreateBody,
    FailBody,
    HeartbeatBody,
    NextClaim,
    ReleaseBody,
)
from orchestrion.core.commands import (
    ClaimNext,
    CompleteTask,
    CreateTask,
    FailTask,
    Heartbeat,
    ReleaseTask,
)
from orchestrion.core.ids import LeaseToken, TaskId
from orchestrion.core.instants import Instant, parse_instant
from orchestrion.core.lease import Completion, Failure, Lease, digest_of_claim, key_after
from orchestrion.core.limits import CLAIM_TYPES_MAX, IDEMPOTENCY_KEY_LENGTH_MAX
from orchestrion.core.strict_json import JsonObject, Malformed, canonical, document
from orchestrion.engine.mint import Mint

Given = TypeVar("Given", str, int, list[str])

_KEY = re.compile(rf"[\x20-\x7e]{{1,{IDEMPOTENCY_KEY_LENGTH_MAX}}}")
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_UNPROVEN = (
    "'lease_token' is required: this account lets nobody act on a lease without it. It stands in "
    "the answer to your claim."
)
NEXT_KEPT_MAX: Final = 1_024
_NO_TYPE = "Name what to claim: 'type', or several as 'types'."
_TOO_MANY_TYPES = f"'type' and 'types' together may name {CLAIM_TYPES_MAX} types."
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


def release(request: Request, body: ReleaseBody, _: JsonObject) -> ReleaseTask:
    """Make the command of a claim undone."""
    request.repeatable = True
    return ReleaseTask(
        account_id=request.account_id,
        task_id=TaskId(request.path_id),
        lease_token=LeaseToken(body.lease_token),
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


def lease(request: Request, mint: Mint, worker_id: str | UnsetType, **asked: object) -> Lease:
    """Make what a claim brings; `asked` is what its repeats under the same key must equal."""
    key = header_key(request)
    worker = given(worker_id)
    if key is None:
        return Lease(worker_id=worker, token=mint.lease_token())
    request.repeatable = True
    return Lease(
        worker_id=worker,
        token=mint.lease_token(),
        key=key,
        digest=digest_of_claim(worker_id=worker, **asked),
    )


def claim_next(request: Request, mint: Mint, body: ClaimNextBody) -> ClaimNext:
    """Make the command of a claim by type."""
    count = given(body.max_tasks) or 1
    types = _types(body)
    # Without max_tasks it is not named, for whoever repeats a claim of before there was any.
    several = {} if count == 1 else {"max_tasks": count}
    return ClaimNext(
        account_id=request.account_id,
        types=types,
        lease=lease(request, mint, body.worker_id, types=types, **several),
        more=tuple(mint.lease_token() for _ in range(count - 1)),
    )


def claim_after(
    request: Request, mint: Mint, body: NextClaim, finish: CompleteTask | FailTask
) -> ClaimNext:
    """Make the command of a claim that follows the end of an attempt.

    Whoever repeats the end repeats the claim with it: the token of the one is the key of the other.
    What failed is claimed anew perhaps before it is repeated: then the key and digest of what was
    claimed behind it are what tells of the failure.
    """
    worker, types, token = given(body.worker_id), _types(body), finish.lease_token
    return ClaimNext(
        account_id=request.account_id,
        types=types,
        lease=Lease(
            worker_id=worker,
            token=mint.lease_token(),
            key=None if token is None else key_after(token),
            digest=None if token is None else _digest_after(finish, worker, types),
        ),
    )


def _digest_after(
    finish: CompleteTask | FailTask, worker_id: str | None, types: tuple[str, ...]
) -> bytes:
    if isinstance(finish, CompleteTask):
        return _digest_of_next(worker_id, types)
    failure = finish.failure
    failed = (finish.task_id, failure.reason, failure.retry_after_seconds)
    return digest_of_claim(worker_id=worker_id, types=types, failed=failed)


@lru_cache(NEXT_KEPT_MAX)
def _digest_of_next(worker_id: str | None, types: tuple[str, ...]) -> bytes:
    # A worker asks the same behind every task.
    return digest_of_claim(worker_id=worker_id, types=types)


def _types(body: NextClaim) -> tuple[str, ...]:
    """Give the types once each, in the order they were named."""
    named = [*([] if body.type is UNSET else [body.type]), *(given(body.types) or ())]
    types = tuple(dict.fromkeys(named))
    if not types:
        raise Malformed(_NO_TYPE)
    if len(types) > CLAIM_TYPES_MAX:
        raise Malformed(_TOO_MANY_TYPES)
    return types


def lease_token(request: Request, text: str | UnsetType) -> LeaseToken | None:
    """Read the token that fences a request; with it a repeat can have no second effect."""
    if text is UNSET:
        if request.principal is not None and request.principal.require_lease_token:
            raise Malformed(_UNPROVEN)
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
