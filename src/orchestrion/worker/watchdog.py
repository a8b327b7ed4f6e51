"""Ends the process of a worker that was told to stop, where something keeps it from its end."""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

# How long the handlers' loop may take to notice that all is done.
LEAVE_SECONDS: Final = 1.0
# How long what comes after may take: shutdown hooks, and threads that the loop waits for.
END_SECONDS: Final = 5.0
# What was logged shall be seen, but a log that is stuck keeps nobody.
FLUSH_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 0.1
LOG: Final = logging.getLogger("orchestrion.worker")


class Progress(msgspec.Struct):
    """How far a worker has come, as the monotonic clock has it; `noticed` by its handlers' loop."""

    began: bool = False
    ended_at: float | None = None
    noticed: bool = False


class Watched(Protocol):
    """What is watched: a Worker."""

    progress: Progress

    @property
    def grace(self) -> float: ...


class Watchdog:
    """Waits, once armed, until the worker's shift has ended, and a little longer.

    Where no shift has begun it waits for `grace` seconds. `last` is called before the process is
    ended, in the watchdog's thread.
    """

    def __init__(self, watched: Watched, last: Callable[[], None]) -> None:
        self._watched = watched
        self._last = last
        self._disarmed = threading.Event()

    def arm(self) -> None:
        """Begin to watch, in a thread that keeps no process alive."""
        threading.Thread(target=self._run, name="orchestrion-watchdog", daemon=True).start()

    def disarm(self) -> None:
        """Let the process live on."""
        self._disarmed.set()

    def _run(self) -> None:
        armed_at = time.monotonic()
        while not self._disarmed.wait(LOOK_SECONDS):
            if time.monotonic() >= self._limit(armed_at):
                LOG.warning("something keeps the process from its end: leaving it")
                self._last()
                _end()

    def _limit(self, armed_at: float) -> float:
        progress = self._watched.progress
        if progress.ended_at is not None:
            # Long after its shift a worker may be told to stop for the first time.
            ended_at = max(progress.ended_at, armed_at)
            return ended_at + (END_SECONDS if progress.noticed else LEAVE_SECONDS)
        # A shift has limits of its own.
        return float("inf") if progress.began else armed_at + self._watched.grace


def _end() -> None:
    flushing = threading.Thread(target=_flush, daemon=True)
    flushing.start()
    flushing.join(FLUSH_SECONDS)
    os._exit(0)


def _flush() -> None:
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
