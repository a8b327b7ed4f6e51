"""Repeats of a create: the same key and request is a replay, another request a conflict."""

import hashlib

from orchestrion.core.commands import CreateTask
from orchestrion.core.errors import ErrorCode
from orchestrion.core.instants import SECOND, Instant
from orchestrion.core.limits import IDEMPOTENCY_LIFE_SECONDS
from orchestrion.core.outcomes import Rejection, Replayed
from orchestrion.core.view import IdempotencyRow, View


def digest(canonical_request: bytes) -> bytes:
    """Reduce a canonical request to what is compared (decisions §4)."""
    return hashlib.sha256(canonical_request).digest()


def over(row: IdempotencyRow, now: Instant) -> bool:
    """Tell whether the key's life has ended, so that it may name another request."""
    return now >= row.created_at + IDEMPOTENCY_LIFE_SECONDS * SECOND


def replay(view: View, command: CreateTask) -> Replayed | Rejection | None:
    """Answer a repeat; None when the create is a first one."""
    if command.idempotency_key is None:
        return None
    row = view.remembered(command.account_id, command.idempotency_key)
    if row is None or over(row, view.now):
        return None
    if row.request_digest != command.request_digest:
        return Rejection(code=ErrorCode.IDEMPOTENCY_CONFLICT, now=view.now)
    current = view.task(command.account_id, row.first.id)
    return Replayed(first=row.first, current=current, now=view.now)
