"""Pages of tasks: what a list asks for, and the cursor that continues it."""

import base64
import hashlib

import msgspec

from orchestrion.core.ids import AccountId, TaskId, is_ulid
from orchestrion.core.task import Status, Task

_DIGEST_BYTES = 8
_ID_LENGTH = 26


class PageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """One page of an account's tasks, newest first by id; `before` is exclusive."""

    account_id: AccountId
    limit: int
    status: Status | None = None
    type: str | None = None
    claimed_by: str | None = None
    before: TaskId | None = None


def cursor_after(query: PageQuery, last: Task) -> str:
    """Make the opaque cursor that continues after `last` under the same filters."""
    raw = last.id[-_ID_LENGTH:].encode("ascii") + _filters_digest(query)
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def position(query: PageQuery, cursor: str) -> TaskId | None:
    """Read a cursor; None if it is broken, foreign, or was made with other filters."""
    padding = "=" * (-len(cursor) % 4)
    try:
        raw = base64.b64decode(cursor + padding, altchars=b"-_", validate=True)
        ulid = raw[:_ID_LENGTH].decode("ascii")
    except ValueError:
        return None
    if raw[_ID_LENGTH:] != _filters_digest(query) or not is_ulid(ulid):
        return None
    # Several texts decode to the same bytes; only the one that was handed out counts.
    if base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=") != cursor:
        return None
    return TaskId("tsk_" + ulid)


def _filters_digest(query: PageQuery) -> bytes:
    # The account is part of it, so that another account's cursor is refused like a broken one.
    filters = (query.account_id, query.status or "", query.type or "", query.claimed_by or "")
    return hashlib.sha256("\0".join(filters).encode()).digest()[:_DIGEST_BYTES]
