"""For development: runs a worker as a child, and again whenever its source has changed."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

POLL_SECONDS: Final = 0.5
FILES_MAX: Final = 5_000
# How much longer than its grace a child may take to end.
END_SECONDS: Final = 15.0
SKIPPED: Final = frozenset({"__pycache__", "node_modules", "site-packages", "venv"})

Moments = dict[str, int]


def moments(folder: Path) -> Moments:
    """Tell when each Python file below a folder was last changed; hidden folders left out."""
    found: Moments = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in SKIPPED and name[0] != "."]
        for name in files:
            if name.endswith(".py") and len(found) < FILES_MAX:
                path = os.path.join(place, name)  # noqa: PTH118 - thousands of them, twice a second
                try:
                    found[path] = os.stat(path).st_mtime_ns  # noqa: PTH116 - likewise
                except OSError:
                    continue  # It was there a moment ago.
    return found


def run_reloading(command: Sequence[str], folder: Path, grace: float) -> int:
    """Run a command until a signal, afresh after each change; gives the exit code of the last."""
    told = threading.Event()
    # Compiled files are compared by whole seconds: what changes twice in one would be missed.
    variables = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    with _on_signals(told):
        while True:
            before = moments(folder)
            # A session of its own, or Ctrl-C would reach the child twice: a second ends it at once.
            child = subprocess.Popen(  # noqa: S603 - ourselves
                command, start_new_session=True, env=variables
            )
            changed = _wait(told, child, folder, before)
            code = _end(child, grace)
            if not changed:
                return code
            sys.stderr.write("orchestrion worker: the source has changed, starting again\n")


def _wait(
    told: threading.Event, child: "subprocess.Popen[bytes]", folder: Path, before: Moments
) -> bool:
    """Wait for a change, or for the end; tells whether it was a change."""
    said = False
    while not told.wait(POLL_SECONDS):
        if moments(folder) != before:
            return True
        if child.poll() is not None and not said:
            said = True
            sys.stderr.write(
                f"orchestrion worker: ended with {child.returncode}; "
                "it starts again when the source changes\n"
            )
    return False


def _end(child: "subprocess.Popen[bytes]", grace: float) -> int:
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
    try:
        return child.wait(grace + END_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


@contextmanager
def _on_signals(told: threading.Event) -> Iterator[None]:
    def on_signal(_: int, __: FrameType | None) -> None:
        told.set()

    kinds = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(kind, on_signal) for kind in kinds]
    try:
        yield
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)
