"""Public pages that do not change while the process runs: rendered once, with an ETag."""

import hashlib
from typing import Final

import msgspec

from orchestrion.api.http import Header, Request, Response

MAX_AGE_SECONDS: Final = 300
JSON_TYPE: Final = "application/json"
MARKDOWN_TYPE: Final = "text/markdown; charset=utf-8"
TEXT_TYPE: Final = "text/plain; charset=utf-8"


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A rendered page."""

    body: bytes
    content_type: str

    async def __call__(self, request: Request) -> Response:
        """Answer with the page, or with 304 if the caller has it."""
        headers = self._headers()
        known = request.headers.get(b"if-none-match", b"")
        if known.strip() == b"*" or self._etag() in known:
            return Response(status=304, body=b"", headers=headers)
        return Response(
            status=200,
            body=self.body,
            headers=(*headers, (b"content-type", self.content_type.encode())),
        )

    def _etag(self) -> bytes:
        return b'"' + hashlib.sha256(self.body).hexdigest()[:32].encode() + b'"'

    def _headers(self) -> tuple[Header, ...]:
        return (
            (b"etag", self._etag()),
            (b"cache-control", f"public, max-age={MAX_AGE_SECONDS}".encode()),
            (b"access-control-allow-origin", b"*"),
        )
