"""What stands between a caller and a server, and answers in the server's place when told to."""

import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import msgspec

from tests.e2e.serving import PATIENCE_SECONDS


class Instead(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is not the server's."""

    status: int
    body: bytes
    retry_after: int | None = None


def refused(status: int, code: str, *, retry_after: int | None = None) -> Instead:
    """Refuse for now, in the words of the API."""
    contract = {"retryable": True, "next_actions": []}
    said = {"error": code, "message": "Not now.", "agent_contract": contract}
    return Instead(status=status, body=json.dumps(said).encode(), retry_after=retry_after)


class Gateway:
    """Passes requests on, but for those that it answers itself or whose answer it keeps back."""

    def __init__(self, upstream: str) -> None:
        self._upstream = httpx2.Client(base_url=upstream, trust_env=False, timeout=60)
        self.instead: deque[Instead | None] = deque()
        self.kept_back: str | None = None
        self.arrived = threading.Event()
        self.ended = threading.Event()

    def answer(self, handler: BaseHTTPRequestHandler) -> Instead:
        """Give what comes back for a request; None among `instead` lets one pass."""
        instead = self.instead.popleft() if self.instead else None
        if instead is not None:
            return instead
        length = int(handler.headers.get("content-length", 0))
        headers = {name: text for name, text in handler.headers.items() if name.lower() != "host"}
        body = handler.rfile.read(length)
        found = self._upstream.request(
            handler.command, handler.path, content=body or None, headers=headers
        )
        if self.kept_back is not None and handler.path.endswith(self.kept_back):
            self.kept_back = None
            self.arrived.set()
            self.ended.wait(PATIENCE_SECONDS)
        return Instead(status=found.status_code, body=found.content)

    def close(self) -> None:
        """Let go of everything."""
        self.ended.set()
        self._upstream.close()


@contextmanager
def before(upstream: str) -> Iterator[tuple[Gateway, str]]:
    """Stand before a server; gives the gateway and its address."""
    gateway = Gateway(upstream)

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            answer = gateway.answer(self)
            # Who is answered may have gone.
            with suppress(OSError):
                self.send_response(answer.status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer.body)))
                if answer.retry_after is not None:
                    self.send_header("retry-after", str(answer.retry_after))
                self.end_headers()
                self.wfile.write(answer.body)

        do_GET = do_POST = handle_any  # noqa: N815 - the names it is called by

        def log_message(self, *_: Any) -> None:  # noqa: ANN401 - not of interest
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield gateway, f"http://127.0.0.1:{server.server_port}"
    finally:
        gateway.ended.set()
        server.shutdown()
        server.server_close()
        gateway.close()
        thread.join()
