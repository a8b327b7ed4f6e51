"""Hears signals in a thread, for the main one may be deep in a call that does not return."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

KINDS: Final = (signal.SIGTERM, signal.SIGINT)
# What a shell shows for a process that a signal has ended.
ENDED_BY_SIGNAL: Final = 128


@contextmanager
def heard(stop: Callable[[], None], last: Callable[[], None]) -> Iterator[None]:
    """Call `stop` at the first SIGTERM or SIGINT, from a thread; the second ends the process.

    Before that end it calls `last`. In any other thread than the main one signals are left alone.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ears, mouth = socket.socketpair()
    mouth.setblocking(False)  # noqa: FBT003 - its only argument
    listener = threading.Thread(
        target=_listen, args=(ears, stop, last), name="orchestrion-signals", daemon=True
    )
    listener.start()

    def on_signal(number: int, _: FrameType | None) -> None:
        # Some event loop has taken the descriptor for signals of its own.
        if _wakeup_fd() != mouth.fileno():
            mouth.send(bytes([number]))

    before = [signal.signal(kind, on_signal) for kind in KINDS]
    fd_before = signal.set_wakeup_fd(mouth.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(fd_before)
        for kind, handler in zip(KINDS, before, strict=True):
            signal.signal(kind, handler)
        mouth.close()
        listener.join()
        ears.close()


def _listen(ears: socket.socket, stop: Callable[[], None], last: Callable[[], None]) -> None:
    told = False
    while number := ears.recv(1):
        if number[0] not in KINDS:
            continue
        if told:
            last()
            os._exit(ENDED_BY_SIGNAL + number[0])
        told = True
        stop()


def _wakeup_fd() -> int:
    found = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(found, warn_on_full_buffer=False)
    return found
