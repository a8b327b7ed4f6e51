"""A command on a terminal that somebody looks at and types into."""

import os
import pty
import select
import signal
import struct
import subprocess
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fcntl import ioctl
from time import monotonic

from tests.e2e.serving import PATIENCE_SECONDS, PROGRAM, clean_variables

ROWS, COLUMNS = 40, 120


class Terminal:
    """What stands on the screen, keys to press, and the exit code."""

    def __init__(self, ours: int, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._ours = ours
        self._shown = bytearray()

    @property
    def shown(self) -> str:
        """All that was written so far, control codes included."""
        return self._shown.decode(errors="replace")

    def wait_for(self, text: str) -> None:
        """Read on until a text was written since the last one that was waited for."""
        deadline = monotonic() + PATIENCE_SECONDS
        start = getattr(self, "_read_to", 0)
        while text.encode() not in self._shown[start:]:
            assert monotonic() < deadline, self.shown
            assert self._read(), self.shown
        self._read_to = self._shown.index(text.encode(), start) + len(text)

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._ours, keys.encode())

    def code(self) -> int:
        """Wait for the end."""
        while self._read():
            pass
        return self.process.wait(PATIENCE_SECONDS)

    def cooked(self) -> bool:
        """Tell whether the terminal takes whole lines, as a shell wants it."""
        return bool(termios.tcgetattr(self._ours)[3] & termios.ICANON)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._ours], [], [], PATIENCE_SECONDS)
        assert ready, self.shown
        try:
            piece = os.read(self._ours, 1 << 16)
        except OSError:
            # The other end is closed: that is how a terminal's end is told.
            return False
        self._shown += piece
        return bool(piece)


@contextmanager
def terminal(*arguments: str, variables: Mapping[str, str]) -> Iterator[Terminal]:
    """Type a command on a terminal of its own."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    process = subprocess.Popen(
        [*PROGRAM, *arguments],
        env={**clean_variables(), "TERM": "xterm-256color", **variables},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        # Ctrl-C must reach it, and it alone.
        preexec_fn=lambda: ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
    )
    os.close(theirs)
    try:
        yield Terminal(ours, process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE_SECONDS)
        os.close(ours)
