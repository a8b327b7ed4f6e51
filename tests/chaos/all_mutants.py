"""Tests the testers: `python -m tests.chaos.all_mutants` plays all mutants, and none may escape.

Each is played twice, as itself and with nothing broken: what is said of the sound service is
false alarm. Exits with 1 if a mutant escapes or there is any.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.chaos.mutants.at_large import OUT_OF_REACH, campaign
from tests.chaos.mutants.catalogue import MUTANTS, about
from tests.chaos.mutants.rotation import of_day
from tests.chaos.mutants.trial import Outcome, Trials

SEED: Final = 1
_ROW: Final = "{:<7} {:<9} {:<14} {:>7} {:>5}  {}\n"


def main() -> int:
    """Play those that are asked for, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.all_mutants")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only", nargs="+", choices=tuple(MUTANTS), default=tuple(MUTANTS))
    parser.add_argument("--today", action="store_true", help="only those of the day, in UTC")
    parser.add_argument(
        "--campaign",
        type=float,
        metavar="SECONDS",
        help="instead of its scene, the ordinary campaign for so long; it cannot show M5 and M15",
    )
    flags = parser.parse_args()
    chosen = of_day(datetime.now(UTC).date()) if flags.today else flags.only
    _print(_ROW.format("mutant", "outcome", "rules", "seconds", "seed", "what is broken"))
    with tempfile.TemporaryDirectory(prefix="orchestrion-mutants-") as folder:
        if flags.campaign is not None:
            return _at_large(chosen, Path(folder), flags.seed, flags.campaign)
        return _in_scenes(chosen, Path(folder), flags.seed)


def _in_scenes(chosen: Sequence[str], folder: Path, seed: int) -> int:
    failed = 0
    trials = Trials(folder, seed)
    try:
        for code in chosen:
            failed += not _tried(trials, code, seed)
    finally:
        trials.close()
    _print(f"{len(chosen) - failed} of {len(chosen)} caught without a false alarm\n")
    return 1 if failed else 0


def _tried(trials: Trials, code: str, seed: int) -> bool:
    began = time.monotonic()
    sound, mutant = trials.run_sound(code), trials.run(code)
    result = "FALSE" if sound.broken else "caught" if mutant.caught else "ESCAPED"
    if sound.broken:
        _print(f"{sound.text}\n")
    elif not mutant.caught:
        _print(f"{mutant.text}\n")
    _row(code, result, mutant, seed, began)
    return result == "caught"


def _at_large(chosen: Sequence[str], folder: Path, seed: int, seconds: float) -> int:
    found = 0
    played = [code for code in chosen if code not in OUT_OF_REACH]
    for code in played:
        began = time.monotonic()
        outcome = campaign(code, folder, seed, seconds)
        found += outcome.caught
        _row(code, "caught" if outcome.caught else "ESCAPED", outcome, seed, began)
    _print(f"{found} of {len(played)} caught by the campaign alone\n")
    return 0 if found == len(played) else 1


def _row(code: str, result: str, outcome: Outcome, seed: int, began: float) -> None:
    seconds = f"{time.monotonic() - began:.1f}"
    _print(_ROW.format(code, result, " ".join(outcome.broken), seconds, seed, about(code)))


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
