"""Runs campaigns and judges them: `python -m tests.chaos --store both --seconds 60`.

Every fault that there is happens at least once in each.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.chaos import history
from tests.chaos.campaign import Ended, Plan, run
from tests.chaos.checker import check
from tests.chaos.ground import STORES
from tests.chaos.nemesis import JUDGED_IN_CALM, each_once
from tests.chaos.short import SHORT_FORMS

BOTH: Final = "both"


def main() -> int:
    """Run what is asked for; gives 1 if anything was violated or could not be reached."""
    arguments = _arguments()
    stores = STORES if arguments.store == BOTH else (arguments.store,)
    folder = Path(arguments.folder or tempfile.mkdtemp(prefix="orchestrion-chaos-"))
    clean = True
    for turn in range(arguments.times):
        for store in stores:
            seed = arguments.seed + turn
            command = f"python -m tests.chaos --store {store} --seed {seed}"
            plan = Plan(
                seed=seed,
                store=store,
                folder=folder / f"{store}-{seed}",
                operations=SHORT_FORMS[store].operations,
                rate=SHORT_FORMS[store].rate,
                least={**each_once(store), **SHORT_FORMS[store].least},
                calm=JUDGED_IN_CALM,
                seconds=arguments.seconds,
                seconds_max=arguments.seconds + SHORT_FORMS[store].seconds_max,
                repeated_by=f"{command} --seconds {arguments.seconds:g}",
            )
            clean &= judged(plan, run(plan))
    if clean and not arguments.folder:
        shutil.rmtree(folder)
        sys.stdout.write("all clean: the histories are deleted\n")
    return 0 if clean else 1


def judged(plan: Plan, ended: Ended) -> bool:
    """Print what a campaign was and what the checker says of it."""
    began = time.monotonic()
    verdict = check(history.read(ended.folder))
    faults = ", ".join(f"{name} {count}" for name, count in sorted(ended.faults.items()))
    skipped = ", ".join(f"{name} ({reason})" for name, reason in ended.skipped.items())
    lacking = ended.lacks(plan)
    took = f"{ended.operations} operations in {ended.seconds} s"
    lines = [
        f"{plan.store}, seed {plan.seed}: {took}, judged in {time.monotonic() - began:.1f} s",
        f"faults: {faults}",
        *([f"skipped: {skipped}"] if skipped else []),
        *([f"not reached: {lacking}"] if lacking else []),
        *([] if ended.drained else ["not drained: some tasks did not end in time"]),
        *ended.complaints,
        verdict.text(),
        f"history: {ended.folder}",
        "",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
    return verdict.clean and ended.drained and not (lacking or ended.complaints)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--store", choices=[*STORES, BOTH], default=BOTH)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each campaign, at least")
    parser.add_argument("--times", type=int, default=1, help="each with the next seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", help="where the histories go; else one in /tmp, until clean")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
