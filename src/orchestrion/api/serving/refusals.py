"""Why a connection or request never reached the application, in the words the client is told."""

from typing import Final

import msgspec


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """One reason: a word for the metrics, a sentence with the next step for the client."""

    reason: str
    message: str


MALFORMED: Final = Refusal(
    reason="malformed_http",
    message="This is not a well-formed HTTP/1.1 request. Correct the request line, headers and "
    "body framing, then send it again on a new connection.",
)
HEAD_TOO_LARGE: Final = Refusal(
    reason="head_too_large",
    message="The request line and headers together are too large. Send fewer or shorter headers.",
)
TOO_MANY_HEADERS: Final = Refusal(
    reason="too_many_headers",
    message="The request carries too many headers. Send only those the API documents.",
)
TOO_MANY_PIPELINED: Final = Refusal(
    reason="too_many_pipelined",
    message="Too many requests were sent on one connection without waiting for their answers. "
    "Read the answers, then send the next requests.",
)
HEAD_LATE: Final = Refusal(
    reason="head_late",
    message="The request line and headers took too long to arrive. Send them at once, on a new "
    "connection.",
)
BODY_LATE: Final = Refusal(
    reason="body_late",
    message="The request body took too long to arrive and was not processed. Send it again on a "
    "new connection; Content-Length must be the number of bytes sent.",
)
CROWDED: Final = Refusal(
    reason="connections_max",
    message="The server holds as many connections as it may. Wait, then connect again; reuse "
    "connections between requests.",
)
FAILED: Final = Refusal(
    reason="application_failed",
    message="The request could not be finished and may or may not have taken effect. Look at the "
    "present state before you repeat it.",
)
RESPONSE_UNREAD: Final = Refusal(
    reason="response_unread",
    message="The response was not read in time.",
)
