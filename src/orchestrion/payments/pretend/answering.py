"""How the pretend PayPal writes its answers, the broken ones too."""

import asyncio
import gzip
import secrets
from collections.abc import AsyncIterator
from typing import Final

import msgspec
from msgspec.structs import replace
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from orchestrion.payments.pretend.behaviours import Behaviour, What
from orchestrion.payments.pretend.replies import Json, Reply, refusal

SLOW_PAUSE_SECONDS: Final = 0.02
SLOW_PIECES_MAX: Final = 10_000
HUGE_PIECES: Final = 1_024
_PIECE: Final = b" " * 16_384


def written(reply: Reply) -> Response:
    """Write a sound answer."""
    return Response(
        msgspec.json.encode(reply.body),
        reply.status,
        {"paypal-debug-id": secrets.token_hex(7)[:13], **reply.headers},
        "application/json",
    )


def broken(reply: Reply, told: Behaviour) -> Response:
    """Write the answer to what was done, as badly as it was told to."""
    response = written(reply)
    headers = dict(response.headers)
    match told.what:
        case What.CUT:
            return _Cut(response.body, reply.status, headers)
        case What.SLOW:
            return StreamingResponse(_slowly(), reply.status, {"content-type": "application/json"})
        case What.HUGE:
            return StreamingResponse(_endlessly(), reply.status)
        case What.MALFORMED:
            return Response(bytes(response.body)[:-2], reply.status, media_type="application/json")
        case What.EMPTY:
            return Response(b"{}", reply.status, media_type="application/json")
        case What.PACKED:
            packed = gzip.compress(bytes(response.body))
            return Response(packed, reply.status, {"content-encoding": "gzip"})
        case What.STATUS_AFTER:
            return written(refusal(told.status))
        case What.REDIRECT | What.REDIRECT_AFTER:
            return Response(b"", 307, {"location": told.location})
        case _:
            return written(replace(reply, body=_altered(reply.body, told)))


def _altered(body: Json, told: Behaviour) -> Json:
    match told.what:
        case What.WRONG_ORDER:
            return body | {"id": "0ANOTHER0ORDER000"}
        case What.NO_LINK:
            return body | {"links": []}
        case What.FOREIGN_LINK:
            links = [one | {"href": told.location} for one in body["links"]]
            return body | {"links": links}
        case What.APPROVE_LINK:
            links = [
                one | {"rel": "approve" if one["rel"] == "payer-action" else one["rel"]}
                for one in body["links"]
            ]
            return body | {"status": "CREATED", "links": links}
        case _:
            return body


async def _slowly() -> AsyncIterator[bytes]:
    for _ in range(SLOW_PIECES_MAX):
        yield b" "
        await asyncio.sleep(SLOW_PAUSE_SECONDS)


async def _endlessly() -> AsyncIterator[bytes]:
    for _ in range(HUGE_PIECES):
        yield _PIECE


class _Cut(Response):
    """Promises more than it sends: the server then closes the connection in the midst of it."""

    def __init__(self, body: bytes | memoryview, status: int, headers: dict[str, str]) -> None:
        super().__init__(bytes(body)[:1], status, headers)

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        )
        await send({"type": "http.response.body", "body": self.body})
