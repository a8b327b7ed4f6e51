"""What goes over the wire, and what is logged of it."""

import http.server
import logging
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from orchestrion import __version__
from orchestrion.client.config import Target
from orchestrion.client.link import Setup, is_loopback
from orchestrion.client.sync import Orchestrion
from tests.client.application import Application, Network
from tests.e2e.serving import clean_variables


def test_requests_carry_the_key_and_who_asks(
    client: Orchestrion, network: Network, application: Application
) -> None:
    client.tasks.create("report", {})

    (request,) = network.requests
    assert request.headers["authorization"] == f"Bearer {application.account.key}"
    assert request.headers["user-agent"] == f"orchestrion-python/{__version__}"
    assert request.headers["content-type"] == "application/json"


def test_a_request_is_given_the_time_it_asks_the_server_for(
    client: Orchestrion, network: Network
) -> None:
    client.tasks.create("report", {})

    client.tasks.claim("report", wait_seconds=50)

    timeouts = [request.extensions["timeout"] for request in network.requests]
    assert [timeout["read"] for timeout in timeouts] == [10, 60]
    assert {timeout["connect"] for timeout in timeouts} == {10}


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("localhost", True),
        ("a.localhost", True),
        ("10.0.0.1", False),
        ("example.com", False),
        ("localhost.example.com", False),
    ],
)
def test_a_server_on_this_machine_is_known_by_its_name(host: str, *, here: bool) -> None:
    assert is_loopback(host) is here


@pytest.mark.parametrize("url", ["https://example.com", "HTTPS://example.com"])
def test_certificates_are_verified(url: str) -> None:
    assert Setup(target=Target(url=url), timeout=1).options()["verify"] is True


def test_no_certificate_is_read_where_nothing_is_encrypted() -> None:
    context = Setup(target=Target(url="http://example.com"), timeout=1).options()["verify"]

    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.cert_store_stats()["x509"] == 0


def test_the_surroundings_are_trusted_but_for_this_machine() -> None:
    def trusts(url: str) -> object:
        return Setup(target=Target(url=url), timeout=1).options()["trust_env"]

    assert trusts("https://orchestrion.example")
    assert not trusts("http://localhost:8080")
    assert not trusts("http://[::1]:8080")


class Healthy(http.server.BaseHTTPRequestHandler):
    """Answers everything as a healthy server does."""

    def do_GET(self) -> None:
        body = b'{"status": "ok"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def listening() -> Iterator[str]:
    """Listen on this machine; gives the address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Healthy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_proxy_is_not_asked_for_this_machine(
    listening: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    with Orchestrion(listening, "key", max_retries=0) as client:
        assert client.health().status == "ok"


def test_a_client_serves_many_threads(client: Orchestrion) -> None:
    threads = [
        threading.Thread(target=client.tasks.create, args=("report", {"n": n})) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(task.payload["n"] for task in client.tasks.iter()) == list(range(8))


def test_the_log_tells_of_requests_and_no_secret(
    client: Orchestrion, application: Application, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "orchestrion.client"):
        client.tasks.create("report", {"secret": "payload"})

    (line,) = caplog.messages
    assert line.startswith("POST /v1/tasks: 201 in ")
    assert application.account.key not in line
    assert "payload" not in line


def run_with_log(level: str, url: str) -> str:
    """Ask for a server's health in a process of its own; gives what stands at standard error."""
    program = f"""
from orchestrion import Orchestrion
for _ in range(2):
    with Orchestrion({url!r}, "orch_live_secret") as client:
        client.health()
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**clean_variables(), "ORCHESTRION_LOG": level},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""
    return done.stderr


def test_requests_are_logged_on_request(listening: str) -> None:
    logged = run_with_log("debug", listening)

    assert logged.count("GET /health: 200") == 2
    assert "secret" not in logged
    assert run_with_log("", listening) == ""
