"""Lines on their way to a descriptor: collected, written together by a thread, never waited for.

The thread keeps a reader that has stopped reading from stopping the service: lines then collect
up to a limit and are dropped and counted beyond it.
"""

import os
import time
from collections.abc import Callable
from threading import Event, Lock, Thread

from msgspec import Raw, Struct

from orchestrion.observe.lines import Line, RequestLine, encode_lines
from orchestrion.observe.redaction import cleanse

LINES_PER_WRITE_MAX = 1_000
FULL_PIPE_WAIT_SECONDS = 0.01


class OutputLimits(Struct, frozen=True, kw_only=True):
    """How much may wait to be written, for how long."""

    lines_max: int = 20_000
    text_bytes_max: int = 2_000_000
    flush_seconds: float = 0.05
    close_seconds: float = 2.0


class Output:
    """A buffer of lines and the thread that empties it into a descriptor, which stays open."""

    def __init__(
        self, descriptor: int, limits: OutputLimits, on_loss: Callable[[int], None]
    ) -> None:
        self._descriptor = descriptor
        self._limits = limits
        self._on_loss = on_loss
        self._lines: list[Line] = []
        self._lines_max = limits.lines_max
        self._text_bytes = 0
        self._dropped = 0
        self._dropped_told = 0
        self._lock = Lock()
        self._wake = Event()
        self._closing = False
        self._thread = Thread(target=self._run, name="log-output", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Lines lost since the start, because the buffer was full or a write failed."""
        return self._dropped

    def put(self, line: RequestLine) -> None:
        """Take a request's line. The hot path: no lock, as appending is atomic."""
        if len(self._lines) < self._lines_max:
            self._lines.append(line)
        else:
            self._drop(1)

    def put_text(self, line: bytes) -> None:
        """Take a finished line, from any thread."""
        with self._lock:
            fits = self._text_bytes + len(line) <= self._limits.text_bytes_max
            if fits and len(self._lines) < self._lines_max:
                self._text_bytes += len(line)
                self._lines.append(Raw(line))
                return
        self._drop(1)

    def hurry(self) -> None:
        """Have everything taken so far written now rather than at the next interval."""
        self._wake.set()

    def close(self) -> None:
        """Write what is left, for a bounded time; lines taken later are dropped."""
        self._closing = True
        self._wake.set()
        self._thread.join(self._limits.close_seconds)
        self._lines_max = 0

    def _drop(self, lines: int) -> None:
        with self._lock:
            self._dropped += lines

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait(self._limits.flush_seconds)
            # Cleared before the buffer is read: what is put afterwards wakes the thread again.
            self._wake.clear()
            self._drain()
        self._drain()

    def _drain(self) -> None:
        while self._write_front():
            # Told only where something can be written; else every report were a loss of its own.
            if self._dropped != self._dropped_told:
                self._dropped_told = self._dropped
                self._on_loss(self._dropped_told)

    def _write_front(self) -> bool:
        """Write the oldest lines; false if there are none or they could not be written."""
        batch = self._lines[:LINES_PER_WRITE_MAX]
        # Others only append, so the slice is still the front of the list.
        del self._lines[: len(batch)]
        if text_bytes := sum(len(bytes(line)) for line in batch if isinstance(line, Raw)):
            with self._lock:
                self._text_bytes -= text_bytes
        try:
            self._write(cleanse(encode_lines(batch)))
        except OSError:
            self._drop(len(batch))
            return False
        return bool(batch)

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:
                # Somebody sharing the descriptor made it non-blocking; only this thread waits.
                time.sleep(FULL_PIPE_WAIT_SECONDS)
