"""Answers probes and scrapes from a thread of its own: /livez, /readyz and /metrics."""

import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

import msgspec
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import CollectorRegistry

REQUEST_SECONDS: Final = 10
TEXT: Final = "text/plain; charset=utf-8"


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """Why a worker is not alive, or not ready; empty where it is."""

    not_alive: str = ""
    not_ready: str = ""


class HealthServer:
    """Listens on all addresses of the machine, for probes come from elsewhere."""

    def __init__(
        self, port: int, look: Callable[[], Condition], registry: CollectorRegistry
    ) -> None:
        """Begin to listen; raises OSError where the port is taken."""
        self._server = _Server(("", port), _Handler)
        self._server.look = look
        self._server.registry = registry
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="orchestrion-health", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop to listen."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    look: Callable[[], Condition]
    registry: CollectorRegistry


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = REQUEST_SECONDS
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer a probe or a scrape."""
        if self.path == "/metrics":
            self._answer(HTTPStatus.OK, generate_latest(self.server.registry), CONTENT_TYPE_LATEST)
            return
        condition = self.server.look()
        wrong = {"/livez": condition.not_alive, "/readyz": condition.not_ready}.get(self.path)
        if wrong is None:
            self._answer(HTTPStatus.NOT_FOUND, b"See /livez, /readyz and /metrics.\n")
        elif wrong:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, f"{wrong}\n".encode())
        else:
            self._answer(HTTPStatus.OK, b"ok\n")

    do_HEAD = do_GET  # noqa: N815 - the name http.server calls

    def _answer(self, status: HTTPStatus, body: bytes, content_type: str = TEXT) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is called
        """Keep probes out of the log."""
