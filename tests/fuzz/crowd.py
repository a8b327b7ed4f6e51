"""Hundreds of raw connections that send too slowly, say nothing, or never read their answers."""

import contextlib
import resource
import select
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

RECEIVE_BYTES: Final = 4_096
TRICKLE_SECONDS: Final = 1.0
LOOK_MILLISECONDS: Final = 100
FILES_BESIDES: Final = 512


class Manner(msgspec.Struct, frozen=True, kw_only=True):
    """How a client behaves: what it sends at once, then a byte at a time, and whether it reads."""

    name: str
    begins: bytes = b""
    trickles: bytes = b""
    reads: bool = True


class Slow:
    """One such client."""

    def __init__(self, port: int, manner: Manner) -> None:
        self.manner = manner
        self.socket = socket.socket()
        # Before it connects: what the system would take in is not left unread.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        self.socket.settimeout(5)
        self.socket.connect(("127.0.0.1", port))
        self.socket.sendall(manner.begins)
        self.began = time.monotonic()
        self.received = b""
        self.closed_after: float | None = None

    def trickle(self) -> None:
        """Send one byte more."""
        if self.manner.trickles and self.closed_after is None:
            with contextlib.suppress(OSError):
                self.socket.sendall(self.manner.trickles)

    def look(self, event: int) -> None:
        """Take in what happened, and note when the server has closed the connection."""
        gone = bool(event & (select.POLLHUP | select.POLLERR))
        if event & select.POLLIN:
            with contextlib.suppress(OSError):
                piece = self.socket.recv(RECEIVE_BYTES)
                self.received += piece
                gone = gone or not piece
        if gone:
            self.closed_after = time.monotonic() - self.began
            self.socket.close()


class Crowd:
    """All of them, watched by a thread until the last is closed or patience is over."""

    def __init__(self, port: int, manners: Sequence[tuple[Manner, int]]) -> None:
        _allow_open_files(sum(count for _, count in manners))
        self.clients = [Slow(port, manner) for manner, count in manners for _ in range(count)]
        self.over = threading.Event()

    def of(self, name: str) -> list[Slow]:
        """Give those of one manner."""
        return [client for client in self.clients if client.manner.name == name]

    @contextlib.contextmanager
    def watched(self, patience_seconds: float) -> Iterator[None]:
        """Watch them beside the block, and wait at its end until that is over."""
        watching = threading.Thread(target=self._watch, args=(patience_seconds,))
        watching.start()
        try:
            yield
        finally:
            watching.join()
            for client in self.clients:
                client.socket.close()

    def _watch(self, patience_seconds: float) -> None:
        deadline = time.monotonic() + patience_seconds
        poll, open_ = select.poll(), {}
        for client in self.clients:
            # Whoever reads nothing is told only of the end.
            poll.register(client.socket, select.POLLIN if client.manner.reads else 0)
            open_[client.socket.fileno()] = client
        trickled = time.monotonic()
        while open_ and time.monotonic() < deadline:
            for number, event in poll.poll(LOOK_MILLISECONDS):
                open_[number].look(event)
                if open_[number].closed_after is not None:
                    poll.unregister(number)
                    del open_[number]
            if time.monotonic() - trickled >= TRICKLE_SECONDS:
                trickled = time.monotonic()
                for client in open_.values():
                    client.trickle()
        self.over.set()


def _allow_open_files(clients: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = clients + FILES_BESIDES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
