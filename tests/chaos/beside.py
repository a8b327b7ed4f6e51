"""Runs one statement on a SQLite file that a server may be using, and prints its rows as JSON.

Run by its path, in whatever namespace the file is seen in; needs the standard library alone.
"""

import json
import sqlite3
import sys

BUSY_SECONDS = 20.0


def main() -> None:
    """Run the statement; what is binary is left out of the rows."""
    path, statement = sys.argv[1:]
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS)
    connection.row_factory = sqlite3.Row
    with connection:
        found = [dict(row) for row in connection.execute(statement)]
    connection.close()
    rows = [
        {name: value for name, value in row.items() if not isinstance(value, bytes)}
        for row in found
    ]
    json.dump(rows, sys.stdout)


main()
