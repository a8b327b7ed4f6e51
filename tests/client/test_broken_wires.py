"""What real connections do when they break, and what the client makes of it."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from orchestrion.client.errors import ConnectionFailed, RequestTimeout
from orchestrion.client.sync import Orchestrion
from tests.ports import free_port

Conduct = Callable[[socket.socket], None]


def hang_up(connection: socket.socket) -> None:
    connection.recv(65536)


def reset(connection: socket.socket) -> None:
    connection.recv(65536)
    # Closing at once, whatever is under way.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def break_off(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"status": "o')


def talk_nonsense(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"SSH-2.0-OpenSSH_9.9\r\n")


def compress_badly(connection: socket.socket) -> None:
    connection.recv(65536)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Encoding: gzip\r\n\r\n"
    connection.sendall(head + b"abc")


@contextmanager
def listening(conduct: Conduct) -> Iterator[str]:
    """Listen for one connection, and treat it badly; gives the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                conduct(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(10)


@pytest.mark.parametrize("conduct", [hang_up, reset, break_off, talk_nonsense, compress_badly])
def test_a_connection_that_breaks_leaves_it_open_what_happened(conduct: Conduct) -> None:
    with (
        listening(conduct) as url,
        Orchestrion(url, "key", max_retries=0) as client,
        pytest.raises(ConnectionFailed, match="may have taken effect") as caught,
    ):
        client.health()

    assert caught.value.sent
    assert not isinstance(caught.value, RequestTimeout)


def test_silence_ends_after_the_timeout() -> None:
    over = threading.Event()

    def stay_silent(connection: socket.socket) -> None:
        connection.recv(65536)
        over.wait(10)

    with (
        listening(stay_silent) as url,
        Orchestrion(url, "key", max_retries=0, timeout=0.2) as client,
    ):
        with pytest.raises(RequestTimeout) as caught:
            client.health()
        over.set()

    assert caught.value.sent


def test_where_nobody_listens_nothing_was_sent() -> None:
    with (
        Orchestrion(f"http://127.0.0.1:{free_port()}", "key", max_retries=0) as client,
        pytest.raises(ConnectionFailed, match="see that the server runs") as caught,
    ):
        client.health()

    assert not caught.value.sent
