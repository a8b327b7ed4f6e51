"""Turns the signals that ask a process to stop into an event; a second one is not asked twice."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Iterable, Iterator
from types import FrameType

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# A second signal this soon is the first again: some supervisors signal a process and its group.
SAME_SIGNAL_SECONDS = 0.5


@contextlib.contextmanager
def stop_on_signals(same_signal_seconds: float = SAME_SIGNAL_SECONDS) -> Iterator[asyncio.Event]:
    """Give an event that the first SIGTERM or SIGINT sets; a second one ends the process at once.

    For the main thread, inside the running loop; to be left only when everything is saved.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def ask() -> None:
        if not stop.is_set():
            stop.set()
            loop.call_later(same_signal_seconds, _let_kill, before)

    def hear(_signal: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(ask)

    before = {number: signal.signal(number, hear) for number in STOP_SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        before.clear()


def _let_kill(numbers: Iterable[signal.Signals]) -> None:
    # The kernel's own doing works however stuck the process is. Nothing is left to do (and
    # `numbers` is empty) once the earlier handlers are back.
    for number in numbers:
        signal.signal(number, signal.SIG_DFL)


@contextlib.contextmanager
def stop_on_hangup(stop: asyncio.Event) -> Iterator[None]:
    """Set the event at SIGHUP too, which a terminal sends when it is closed; not under nohup."""
    if sys.platform == "win32" or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        yield
        return
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, stop.set)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
