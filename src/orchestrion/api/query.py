"""Query strings: keys have no place in them, and nothing is given twice."""

import re
from collections.abc import Container, Mapping
from urllib.parse import parse_qsl, quote, urlencode

from orchestrion.core import limits
from orchestrion.core.ids import KEY_PREFIX, AccountId
from orchestrion.core.listing import PageQuery, position
from orchestrion.core.shape import FULL, Shape
from orchestrion.core.strict_json import Malformed
from orchestrion.core.task import Status

_KEY_NAMES = frozenset({"api_key", "apikey", "key", "token", "access_token"})
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_TYPE = re.compile(r"[a-zA-Z0-9_-]+", re.ASCII)
_LIMIT = re.compile(r"[0-9]{1,4}", re.ASCII)
_STATUSES = {status.value: status for status in Status}

KEY_IN_QUERY = "API keys must not be sent in the URL; use the Authorization header."
NO_ENCODING = "The query string is not valid percent-encoded UTF-8."


def refuse_key(raw: bytes, strange: Container[str] = ()) -> None:
    """Raise Malformed if a key stands in a query string, however badly the rest is written.

    Parameters with a `strange` name are not ours, but hold no key of ours all the same.
    """
    if not raw:
        return
    for name, value in parse_qsl(raw.decode("latin-1"), keep_blank_values=True, errors="replace"):
        shown = name.startswith(KEY_PREFIX) or value.startswith(KEY_PREFIX)
        if shown or (name not in strange and name.lower() in _KEY_NAMES):
            raise Malformed(KEY_IN_QUERY)


def read_query(raw: bytes) -> dict[str, str]:
    """Read a query string. Raises Malformed for a repeat or bad encoding."""
    if not raw:
        return {}
    if len(raw) > limits.QUERY_BYTES_MAX:
        message = f"The query string is longer than {limits.QUERY_BYTES_MAX} bytes."
        raise Malformed(message)
    if _BAD_ESCAPE.search(raw):
        raise Malformed(NO_ENCODING)
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError as error:
        raise Malformed(NO_ENCODING) from error
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("A query parameter is given twice.")
    if b"%00" in raw:
        raise Malformed("A query parameter contains NUL.")
    return found


def page_query(account_id: AccountId, query: Mapping[str, str]) -> PageQuery:
    """Read the filters and place of a list. Raises Malformed."""
    status = query.get("status")
    if status is not None and status not in _STATUSES:
        message = f"'status' must be one of {', '.join(_STATUSES)}."
        raise Malformed(message)
    page = PageQuery(
        account_id=account_id,
        limit=_limit(query.get("limit")),
        status=None if status is None else _STATUSES[status],
        type=_type(query.get("type")),
        claimed_by=_claimed_by(query.get("claimed_by")),
    )
    return _placed(page, query.get("cursor"))


def next_page_endpoint(page: PageQuery, cursor: str, shape: Shape = FULL) -> str:
    """Write the endpoint of the next page with the same filters, limit and shape."""
    parameters = {
        "status": page.status,
        "type": page.type,
        "claimed_by": page.claimed_by,
        "limit": str(page.limit) if page.limit != limits.PAGE_SIZE_DEFAULT else None,
        "view": shape.view if shape.view is not FULL.view else None,
        "fields": ",".join(shape.fields) or None,
        "cursor": cursor,
    }
    given = {name: value for name, value in parameters.items() if value is not None}
    return "/v1/tasks?" + urlencode(given, quote_via=quote)


def _placed(page: PageQuery, cursor: str | None) -> PageQuery:
    if cursor is None:
        return page
    before = position(page, cursor) if len(cursor) <= limits.CURSOR_LENGTH_MAX else None
    if before is None:
        raise Malformed("'cursor' is not one this list gave out under these filters.")
    return PageQuery(
        account_id=page.account_id,
        limit=page.limit,
        status=page.status,
        type=page.type,
        claimed_by=page.claimed_by,
        before=before,
    )


def _limit(text: str | None) -> int:
    if text is None:
        return limits.PAGE_SIZE_DEFAULT
    if not (_LIMIT.fullmatch(text) and limits.PAGE_SIZE_MIN <= int(text) <= limits.PAGE_SIZE_MAX):
        message = (
            f"'limit' must be an integer from {limits.PAGE_SIZE_MIN} to {limits.PAGE_SIZE_MAX}."
        )
        raise Malformed(message)
    return int(text)


def _type(text: str | None) -> str | None:
    if text is not None and not (len(text) <= limits.TYPE_LENGTH_MAX and _TYPE.fullmatch(text)):
        message = f"'type' must be 1 to {limits.TYPE_LENGTH_MAX} of the characters a-zA-Z0-9_-."
        raise Malformed(message)
    return text


def _claimed_by(text: str | None) -> str | None:
    if text is not None and not 1 <= len(text) <= limits.WORKER_ID_LENGTH_MAX:
        message = f"'claimed_by' must be 1 to {limits.WORKER_ID_LENGTH_MAX} characters."
        raise Malformed(message)
    return text
