"""Runs a command until this program's input ends, then stops it at once and removes a folder.

The input is a pipe that only the test session holds open: whatever kills the session, nothing of
the command stays behind. Run as `guard.py FOLDER USER LOG COMMAND…`; an empty USER changes none.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path


def main() -> None:
    """Run the command to its end, and give its status."""
    folder, user, log, *command = sys.argv[1:]
    with Path(log).open("ab") as output:
        process = subprocess.Popen(
            command,
            user=user or None,
            group=user_group(user),
            extra_groups=[] if user else None,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    threading.Thread(target=watch, args=(process, folder), daemon=True).start()
    # The exit of the command is this program's exit, but for one that the watch asked for.
    os._exit(abs(process.wait()) if not orphaned.is_set() else removed(folder))


orphaned = threading.Event()


def watch(process: subprocess.Popen[bytes], folder: str) -> None:
    """Stop the command when nobody holds the input open any more."""
    while os.read(0, 1):
        pass
    orphaned.set()
    # SIGQUIT is PostgreSQL's immediate shutdown.
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGQUIT)
