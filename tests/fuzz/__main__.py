"""The long campaign: `python -m tests.fuzz --minutes 30 [--seed N] [--store sqlite]`."""

import argparse
import itertools
import secrets
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tests.databases import POSTGRES, SQLITE, Databases
from tests.fuzz.campaign import PHASES, Campaign, Plan, run
from tests.fuzz.house import housed
from tests.fuzz.links import Goal, follow

EXAMPLES: Final = 50
WALKS: Final = 40
LIVES_CASES: Final = 500
SHOWN: Final = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one round after another until the time is up or something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 31))
    parser.add_argument("--store", choices=(SQLITE, POSTGRES), default=SQLITE)
    given = parser.parse_args(arguments)
    # A service at work beside the drawing uses `random`; nothing is drawn from it.
    warnings.filterwarnings("ignore", "Do not use the `random` module")
    deadline = time.monotonic() + given.minutes * 60
    cases: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        databases = Databases(Path(folder))
        try:
            for seed, campaign in _rounds(databases, given.store, given.seed):
                cases.update(campaign.cases)
                print(f"seed {seed}: {campaign.total} cases, {cases.total()} in all", flush=True)
                if campaign.failures:
                    return _told(campaign, seed, given.store)
                if time.monotonic() >= deadline:
                    break
        finally:
            databases.close()
    print(f"nothing was wrong with {cases.total()} cases: {dict(cases)}")
    return 0


def _rounds(databases: Databases, store: str, first: int) -> Iterator[tuple[int, Campaign]]:
    """Each round on a fresh database: everything, as nobody, and lives along the links."""
    for seed in itertools.count(first):
        plans = (
            Plan(seed=seed, examples=EXAMPLES, walks=WALKS),
            Plan(seed=seed, phases=PHASES[:3], examples=EXAMPLES // 5, authenticated=False),
        )
        for plan in plans:
            with databases.fresh(store) as database, housed(database) as house:
                yield seed, run(house, plan)
        with databases.fresh(store) as database, housed(database) as house:
            yield seed, follow(house, seed, Goal(cases=LIVES_CASES))


def _told(campaign: Campaign, seed: int, store: str) -> int:
    for failure in campaign.failures[:SHOWN]:
        print(failure, end="\n\n")
    print(f"{len(campaign.failures)} answers were wrong; again with:")
    print(f"  python -m tests.fuzz --minutes 0 --seed {seed} --store {store}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
