"""For development: runs a worker as a child, and again whenever its source has changed."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

POLL_SECONDS: Final = 0.5
LOOK_SECONDS: Final = 0.05
FILES_MAX: Final = 5_000
# How much longer than its grace a child may take to end.
END_SECONDS: Final = 20.0
GRACE_SECONDS_MAX: Final = 600.0
# As a shell does for a terminal that is closed.
KINDS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
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


def run_reloading(command: Sequence[str], folder: Path, grace: float | None) -> int:
    """Run a command until a signal, afresh after each change; gives the exit code of the last.

    A second signal ends the child at once. No `grace` is one that only the child knows.
    """
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
            told.clear()
            code = _end(told, child, grace)
            if not changed or told.is_set():
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


def end_within(grace: float | None) -> float:
    """Give the seconds that a child has to end."""
    return END_SECONDS + (GRACE_SECONDS_MAX if grace is None else grace)


def end_with(parent: int) -> None:
    """Have this process stop once it is nobody's child, as when its parent was killed."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="orchestrion-parent", daemon=True).start()


def _end(told: threading.Event, child: "subprocess.Popen[bytes]", grace: float | None) -> int:
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
    limit = time.monotonic() + end_within(grace)
    while child.poll() is None:
        if told.wait(LOOK_SECONDS) or time.monotonic() >= limit:
            child.kill()
            break
    return child.wait()


@contextmanager
def _on_signals(told: threading.Event) -> Iterator[None]:
    def on_signal(_: int, __: FrameType | None) -> None:
        told.set()

    before = [signal.signal(kind, on_signal) for kind in KINDS]
    try:
        yield
    finally:
        for kind, handler in zip(KINDS, before, strict=True):
            signal.signal(kind, handler)
