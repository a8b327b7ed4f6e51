"""Reads a request body: its type, its encoding, and its size while it arrives."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from orchestrion.core.strict_json import Malformed

_JSON_TYPE = re.compile(rb'application/json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?', re.IGNORECASE)
_WRONG_TYPE: Final = "Send the body as 'Content-Type: application/json' in UTF-8."
# Of two such headers, which one counts would be a guess.
_SINGLE: Final = (b"content-type", b"content-encoding")
_KEYED: Final = frozenset({"create_task", "claim_next_task", "claim_task"})
_ENCODED: Final = "Send the body as it is: Content-Encoding is not supported."


def refuse_repeats(headers: Sequence[tuple[bytes, bytes]], operation: str) -> None:
    """Raise Malformed if a header that a body's request may carry once stands there twice."""
    names = [name for name, _ in headers]
    # An idempotency key means something on creates and claims; elsewhere it is ignored.
    single = (*_SINGLE, b"idempotency-key") if operation in _KEYED else _SINGLE
    for name in single:
        if names.count(name) > 1:
            message = f"Send one {name.decode().title()} header, not several."
            raise Malformed(message)


async def read_body(headers: Mapping[bytes, bytes], receive: Receive, bytes_max: int) -> bytes:
    """Read the whole body. Raises Malformed with status 413 or 415, and ClientDisconnect."""
    length = headers.get(b"content-length", b"")
    # Ten digits tell; the interpreter would not convert some thousands of them.
    if length.isdigit() and int(length[:10]) > bytes_max:
        raise _too_large(bytes_max)
    body = await _read(receive, bytes_max)
    # Without a body its type means nothing.
    if not body:
        return body
    if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        raise Malformed(_ENCODED, 415)
    content_type = headers.get(b"content-type", b"")
    if content_type != b"application/json" and not _JSON_TYPE.fullmatch(content_type):
        raise Malformed(_WRONG_TYPE, 415)
    return body


async def _read(receive: Receive, bytes_max: int) -> bytes:
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        body: bytes = message.get("body", b"")
        if len(body) > bytes_max:
            raise _too_large(bytes_max)
        return body
    parts = bytearray()
    while True:
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts += message.get("body", b"")
        if len(parts) > bytes_max:
            raise _too_large(bytes_max)
        if not message.get("more_body", False):
            return bytes(parts)
        message = await receive()


def _too_large(bytes_max: int) -> Malformed:
    return Malformed(f"The body is larger than {bytes_max} bytes.", 413)
