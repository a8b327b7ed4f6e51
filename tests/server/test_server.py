"""How a server starts and stops."""

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from orchestrion.api.serving.listener import CannotListen, listen, take
from orchestrion.api.serving.server import (
    CANCEL_SECONDS,
    ServerLifecycle,
    ServerOptions,
    serve_http,
)
from orchestrion.settings import Settings
from tests.server.loopback import (
    PATIENCE_SECONDS,
    QUICK,
    Application,
    Client,
    Record,
    hooks,
    request,
    serving,
)

ROOT = Path(__file__).parents[2]
# Supervisors commonly kill after thirty seconds; closing the file must fit in as well.
STOP_SECONDS_MAX = 25


@contextlib.contextmanager
def process(manner: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.server.stoppable", manner]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


def line(running: subprocess.Popen[str]) -> str:
    assert running.stdout is not None
    return running.stdout.readline().strip()


# --- stopping by signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_finishes_the_accepted_request_and_ends_in_success(number: int) -> None:
    with process("release") as running, Client(int(line(running))) as client:
        client.send(request("/held"))
        assert line(running) == "started"

        running.send_signal(number)

        assert line(running) == "stopping"
        answer = client.answer()
        assert (answer.status, answer.body) == (200, b"released")
        assert answer.headers["connection"] == "close"
        assert line(running) == "saved"
        assert running.wait(PATIENCE_SECONDS) == 0


def test_a_second_signal_ends_the_process_at_once() -> None:
    with process("hold") as running, Client(int(line(running))) as client:
        client.send(request("/held"))
        assert line(running) == "started"
        running.send_signal(signal.SIGTERM)
        assert line(running) == "stopping"

        while running.poll() is None:
            running.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.wait(0.01)

        assert running.returncode == -signal.SIGTERM


# --- the order of a stop


def test_a_stop_with_the_default_settings_ends_before_a_supervisor_kills() -> None:
    settings = Settings()
    options = ServerOptions(host=settings.host, port=0, hooks=hooks(Record()))

    assert settings.shutdown_seconds == options.shutdown_seconds == 20
    longest = settings.drain_delay_seconds + settings.shutdown_seconds + CANCEL_SECONDS
    assert longest <= STOP_SECONDS_MAX


def test_a_server_serves_new_connections_during_the_drain_delay() -> None:
    with serving(drain_delay_seconds=0.3) as server:
        server.stop()
        assert server.stopping.wait(PATIENCE_SECONDS)

        client = server.connect()
        client.send(request("/echo", b"still"))

        answer = client.answer()
        assert (answer.body, answer.headers["connection"]) == (b"still", "close")


def test_a_stopped_server_no_longer_listens() -> None:
    with serving() as server:
        server.stop()
        server.thread.join(PATIENCE_SECONDS)

        with pytest.raises(ConnectionRefusedError):
            server.connect()


def test_a_stop_closes_idle_connections_but_hears_a_request_on_its_way() -> None:
    with serving(replace(QUICK, stop_idle_seconds=0.3)) as server:
        idle, busy = server.connect(), server.connect()
        for client in (idle, busy):
            client.send(request("/echo", b"x"))
            assert client.answer().body == b"x"
        server.stop()
        assert server.stopping.wait(PATIENCE_SECONDS)

        busy.send(request("/echo", b"on its way"))

        assert busy.answer().body == b"on its way"
        assert busy.rest() == b""
        assert idle.rest() == b""


def test_every_pipelined_request_read_before_a_stop_is_answered() -> None:
    with serving() as server:
        client = server.connect()
        client.send(request("/held") + request("/echo", b"second"))
        assert [server.app.event(), server.app.event()] == ["started", "read"]
        server.stop()
        assert server.stopping.wait(PATIENCE_SECONDS)

        server.release()

        assert [client.answer().body, client.answer().body] == [b"released", b"second"]


def test_a_request_that_outlasts_the_stop_is_cancelled_and_told() -> None:
    with serving(shutdown_seconds=0.1) as server:
        client = server.connect()
        client.send(request("/held"))
        assert [server.app.event(), server.app.event()] == ["started", "read"]

        server.stop()

        assert client.answer().status == 500
        assert server.app.event() == "cancelled"


def test_a_fault_at_the_start_is_raised_as_it_is_and_frees_the_port() -> None:
    ports: list[int] = []

    def fail(_host: str, port: int) -> None:
        ports.append(port)
        raise ZeroDivisionError

    async def serve() -> None:
        options = ServerOptions(host="127.0.0.1", port=0, hooks=hooks(Record()))
        lifecycle = ServerLifecycle(stop=asyncio.Event(), on_started=fail, on_stopping=fail_late)
        await serve_http(Application(), options, lifecycle)

    def fail_late() -> None:
        raise AssertionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(serve())
    with pytest.raises(ConnectionRefusedError):
        Client(ports[0])


# --- where a server listens


def test_a_port_in_use_is_one_clear_sentence() -> None:
    with serving() as server:
        with pytest.raises(CannotListen) as refused:
            asyncio.run(listen("127.0.0.1", server.port, 1))

        assert str(refused.value) == (
            f"cannot listen on 127.0.0.1:{server.port}: "
            "another program listens there; stop it or choose another port"
        )


async def test_a_port_that_was_taken_but_is_another_s_by_now_is_one_clear_sentence() -> None:
    (ours,) = await take("127.0.0.1", 0)
    port = ours.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        Client(port)
    # Two may take a port as long as neither listens.
    (theirs,) = await take("127.0.0.1", port)
    with theirs:
        theirs.listen(1)
        options = ServerOptions(
            host="127.0.0.1", port=port, listeners=(ours,), hooks=hooks(Record())
        )
        lifecycle = ServerLifecycle(
            stop=asyncio.Event(), on_started=lambda _host, _port: None, on_stopping=lambda: None
        )

        with pytest.raises(CannotListen, match=f"127.0.0.1:{port}: another program listens there"):
            await serve_http(Application(), options, lifecycle)


@pytest.mark.parametrize(
    ("host", "port", "reason"),
    [
        ("203.0.113.1", 0, "this machine has no such address"),
        ("no such host", 0, "not the name of an address"),
        ("a..b", 0, "not the name of an address"),
        ("127.0.0.1", 70_000, "not the name of an address"),
    ],
)
def test_a_wrong_address_is_one_clear_sentence(host: str, port: int, reason: str) -> None:
    with pytest.raises(CannotListen, match=reason):
        asyncio.run(listen(host, port, 1))


def test_every_address_of_a_name_gets_the_same_port() -> None:
    sockets = asyncio.run(listen("localhost", 0, 1))

    ports = {opened.getsockname()[1] for opened in sockets}
    for opened in sockets:
        opened.close()
    assert len(ports) == 1
    assert 0 not in ports


def test_a_second_family_that_is_missing_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("203.0.113.1", 0)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    sockets = asyncio.run(listen("two.example", 0, 1))

    assert [opened.getsockname()[0] for opened in sockets] == ["127.0.0.1"]
    sockets[0].close()
