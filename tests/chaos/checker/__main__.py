"""Judges the run in a folder: `python -m tests.chaos.checker FOLDER`."""

import sys
from pathlib import Path

from tests.chaos import history
from tests.chaos.checker import check


def main() -> int:
    verdict = check(history.read(Path(sys.argv[1])))
    sys.stdout.write(verdict.text() + "\n")
    return 0 if verdict.clean else 1


if __name__ == "__main__":
    sys.exit(main())
