"""Headers that answers carry and parameters that requests may carry."""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

from orchestrion.api.schema.components import TYPE_PATTERN
from orchestrion.api.schema.shapes import Schema, choice, text
from orchestrion.core import limits
from orchestrion.core.operations import Allowance, Operation
from orchestrion.core.shape import Amount
from orchestrion.core.task import Status
from orchestrion.core.watching import Until


def _header(description: str, example: str, **keywords: object) -> Schema:
    return {
        "description": description,
        "schema": {"type": "string", **keywords},
        "example": example,
    }


HEADERS: Schema = {
    "X-Request-Id": {
        **_header(
            "Names this request; the same as request_id in the body, where there is one.",
            "req_01M814NJ33M9S346Q3D25VT4F5",
        ),
        "required": True,
    },
    "Retry-After": {
        "description": "Whole seconds to wait; the same as retry_after_seconds in the body.",
        "schema": {"type": "integer", "minimum": 1},
        "example": 5,
    },
    "RateLimit-Policy": _header(
        "The limit that counts this request: its name, `q` requests in `w` seconds.",
        '"creates";q=120;w=3600',
    ),
    "RateLimit": _header(
        "Where that limit stands: `r` requests are left, all again in `t` seconds.",
        '"creates";r=119;t=3540',
    ),
    "WWW-Authenticate": {
        **_header("How to authenticate.", 'Bearer realm="orchestrion"'),
        "required": True,
    },
    "Allow": {**_header("The methods this path knows.", "GET, HEAD"), "required": True},
    "Link": _header(
        'The next page, as `rel="next"`; absent on the last.',
        '</v1/tasks?limit=20&cursor=MDFNODE>; rel="next"',
    ),
    "ETag": _header("Send it as If-None-Match to be told whether anything changed.", '"5f0c1d91"'),
    "Cache-Control": _header("How long the answer may be kept.", "public, max-age=300"),
    "Idempotent-Replayed": {
        "description": "Present when this is the answer of an earlier create or claim with the "
        "same key.",
        "schema": {"type": "string", "const": "true"},
        "example": "true",
    },
}


def header_refs(*names: str) -> Schema:
    """Point at headers by name."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


_MOST = limits.IDEMPOTENCY_KEY_LENGTH_MAX
# In quotes, or bare. No header begins or ends with a space, and a lone quote quotes nothing.
_KEY: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": _MOST + len('""'),
    "pattern": f'^(?:"[ -~]{{1,{_MOST}}}"'
    f"|[!#-~](?:[ -~]{{0,{_MOST - 2}}}[!-~])?"
    f'|"(?:[ -~]{{0,{_MOST - 2}}}[!#-~])?)$',
}

PARAMETERS: Schema = {
    "RequestId": {
        "name": "X-Request-Id",
        "in": "header",
        "description": "Your own name for this request: 8 to 64 letters, digits, `_` and `-`. "
        "Anything else is ignored, and the server makes one.",
        "schema": {"type": "string"},
        "example": "req_8c1f02d94b6e",
    },
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "The same as idempotencyKey in the body, bare or in double quotes. If both "
        "are sent they must be equal.",
        "schema": _KEY,
        "example": "report-2026-11-22",
    },
    "ClaimKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Your own name for this claim, bare or in double quotes. Sent again with "
        "the same request while the lease lives, it answers the same task and lease_token; no "
        "further task is claimed. Keys of claims and of creates do not meet.",
        "schema": _KEY,
        "example": "worker-1-claim-7",
    },
    "TraceParent": {
        "name": "traceparent",
        "in": "header",
        "description": "W3C trace context of the caller, kept with the task.",
        "schema": {"type": "string"},
        "example": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    },
    "IfNoneMatch": {
        "name": "If-None-Match",
        "in": "header",
        "description": "The ETag of the copy you have: unchanged, the answer is 304 without body.",
        "schema": {"type": "string"},
        "example": '"5f0c1d91"',
    },
}

_TASK_ID: Schema = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "The task. Text that is no task id, or names a task of another account, is "
    "answered like an unknown one.",
    "schema": {"type": "string"},
    "example": "tsk_01M814NJ33M9S346Q3D25VT4F5",
}

_BY_STATUS: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {
        HTTPStatus.UNAUTHORIZED: ("WWW-Authenticate",),
        HTTPStatus.METHOD_NOT_ALLOWED: ("Allow",),
        HTTPStatus.TOO_MANY_REQUESTS: ("Retry-After", "RateLimit-Policy", "RateLimit"),
        HTTPStatus.SERVICE_UNAVAILABLE: ("Retry-After",),
    }
)

QUERY: Mapping[str, Schema] = {
    "status": choice("Only tasks in this state.", Status),
    "type": text(
        "Only tasks of this type.",
        minLength=1,
        maxLength=limits.TYPE_LENGTH_MAX,
        pattern=TYPE_PATTERN,
    ),
    "claimed_by": text(
        "Only tasks that this worker claimed.", minLength=1, maxLength=limits.WORKER_ID_LENGTH_MAX
    ),
    "limit": {
        "type": "integer",
        "minimum": limits.PAGE_SIZE_MIN,
        "maximum": limits.PAGE_SIZE_MAX,
        "default": limits.PAGE_SIZE_DEFAULT,
        "description": "Tasks on a page.",
    },
    "cursor": text(
        "Where the page begins: nextCursor of the page before, with the same filters.",
        maxLength=limits.CURSOR_LENGTH_MAX,
    ),
    "view": {
        **choice(
            "How much to show. compact: what one decides by (CompactTask), and of agent_contract "
            "the one recommended step, without its sentence.",
            Amount,
        ),
        "default": Amount.FULL,
    },
    "wait_seconds": {
        "type": "integer",
        "minimum": 0,
        "maximum": limits.WAIT_SECONDS_MAX,
        "default": 0,
        "description": "How long to wait, in this request, for what `until` says.",
    },
    "until": {
        **choice(
            "What to wait for. terminal: the task is completed, cancelled or in dead_letter. "
            "change: its status, attemptCount or cancelRequestedAt differ from what they were "
            "when the request came, or it is completed or cancelled and changes no more.",
            Until,
        ),
        "default": Until.TERMINAL,
    },
    "fields": text(
        "Show these fields of a task and no other, whatever the view: a comma list of names. "
        "agent_contract is always there.",
        minLength=1,
        examples=["id,status,result"],
    ),
}


def parameters(row: Operation) -> list[Schema]:
    """List what the operation takes besides a body."""
    found = [_TASK_ID] if "{id}" in row.path else []
    found += [_query(name) for name in row.query]
    names = ["RequestId"]
    if row.name == "create_task":
        names += ["IdempotencyKey", "TraceParent"]
    if row.name == "create_tasks":
        names.append("TraceParent")
    if row.allowance is Allowance.CLAIMS:
        names.append("ClaimKey")
    if is_document(row):
        names.append("IfNoneMatch")
    return found + [{"$ref": f"#/components/parameters/{name}"} for name in names]


def is_document(row: Operation) -> bool:
    """Tell whether the operation answers one of the discovery documents."""
    return row.allowance is Allowance.DISCOVERY and row.tag == "Public"


def answer_headers(row: Operation) -> Schema:
    """List the headers of a success."""
    names = ["X-Request-Id"]
    if row.allowance is not Allowance.NONE:
        names += ["RateLimit-Policy", "RateLimit"]
    if row.name == "create_task" or row.allowance is Allowance.CLAIMS:
        names.append("Idempotent-Replayed")
    if row.name == "list_tasks":
        names.append("Link")
    if is_document(row):
        names += ["ETag", "Cache-Control"]
    return header_refs(*names)


def refusal_headers(status: int) -> Schema:
    """List the headers of a refusal."""
    return header_refs("X-Request-Id", *_BY_STATUS.get(status, ()))


def _query(name: str) -> Schema:
    schema = QUERY[name]
    return {
        "name": name,
        "in": "query",
        "description": schema["description"],
        "schema": {key: value for key, value in schema.items() if key != "description"},
    }
