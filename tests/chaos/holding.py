"""Holds the only lock to write to a SQLite file until its input ends; says when it has it.

Run by its path, in whatever namespace the file is seen in; needs the standard library alone.
"""

import sqlite3
import sys

BUSY_SECONDS = 20.0


def main() -> None:
    """Hold it, and change nothing."""
    connection = sqlite3.connect(sys.argv[1], timeout=BUSY_SECONDS, isolation_level=None)
    connection.execute("begin immediate")
    sys.stdout.write("held\n")
    sys.stdout.flush()
    sys.stdin.read()
    connection.execute("rollback")
    connection.close()


main()
