"""Explores larger worlds than the tests do: `python -m tests.model --releases 2 --strays 1`."""

import argparse
import sys
import time

from tests.model.exploring import explore
from tests.model.telling import told
from tests.model.variants import VARIANTS
from tests.model.world import Bounds


def main() -> int:
    """Explore the core within the bounds, or a broken variant of it, and tell what was found."""
    asked = _arguments().parse_args()
    began = time.monotonic()
    if asked.variant:
        explored = VARIANTS[asked.variant].explored()
    else:
        bounds = Bounds(
            releases=asked.releases,
            strays=asked.strays,
            backs=asked.backs,
            transitions=asked.transitions,
        )
        explored = explore(bounds)
    sys.stdout.write(f"{told(explored)}\n{time.monotonic() - began:.1f} s\n")
    return int(explored.counterexample is not None)


def _arguments() -> argparse.ArgumentParser:
    found, usual = argparse.ArgumentParser(prog="python -m tests.model"), Bounds()
    found.add_argument("--releases", type=int, default=usual.releases, help="of one life")
    found.add_argument("--strays", type=int, default=0, help="late copies of requests at a time")
    found.add_argument("--backs", type=int, default=usual.backs, help="steps of the clock back")
    found.add_argument("--transitions", type=int, default=usual.transitions, help="at most so many")
    found.add_argument("--variant", choices=sorted(VARIANTS), help="a broken core instead")
    return found


if __name__ == "__main__":
    sys.exit(main())
