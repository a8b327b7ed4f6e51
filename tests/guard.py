"""Runs a server until this program's input ends; then stops it at once and removes its folder.

The input is a pipe that only the test session holds open: whatever kills the session, nothing of
the server stays behind. Run as `guard.py FOLDER USER COMMAND…`; an empty USER changes nobody.
"""

import os
import select
import shutil
import signal
import subprocess
import sys
import threading

INPUT = 0


def main() -> None:
    """Run the command to its end."""
    folder, user, *command = sys.argv[1:]
    process = subprocess.Popen(
        command,
        user=int(user) if user else None,
        group=int(user) if user else None,
        extra_groups=[] if user else None,
        stdin=subprocess.DEVNULL,
    )
    threading.Thread(target=stop_when_left_alone, args=(process,), daemon=True).start()
    process.wait()
    if left_alone(0):
        shutil.rmtree(folder, ignore_errors=True)


def left_alone(seconds: float | None) -> bool:
    """Tell whether the input has ended; nothing is ever written to it."""
    return bool(select.select([INPUT], [], [], seconds)[0])


def stop_when_left_alone(process: subprocess.Popen[bytes]) -> None:
    """Wait for the end of the input; a stop that is under way is made immediate."""
    if left_alone(None):
        process.send_signal(signal.SIGQUIT)  # PostgreSQL's immediate shutdown


if __name__ == "__main__":
    # An interrupt from the terminal is the session's to answer.
    os.setsid()
    main()
