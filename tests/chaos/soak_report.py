"""The report of a soak: what was run, how often, what was judged, and the bounds that follow."""

import platform
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import apsw
import msgspec

from orchestrion import __version__
from tests.chaos.checker import RULES
from tests.chaos.replica import ROOT
from tests.chaos.stage import Result
from tests.postgres import program_folder

# With no failure in n independent trials the 95 % upper bound of its rate is about 3 / n.
BOUND: Final = 3.0

Json = dict[str, Any]


def report(results: Sequence[Result], seconds: float) -> str:
    """Write the report as JSON."""
    judged = added(one.judged for one in results)
    faults = added(one.faults for one in results)
    violated = Counter(broken.rule for one in results for broken in one.violations)
    written: Json = {
        "written_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "hours": round(seconds / 3_600, 3),
        "versions": versions(),
        "stages": Counter(one.kind for one in results),
        "clean_stages": sum(one.clean for one in results),
        "not_clean": [told(one) for one in results if not one.clean],
        "judged_again": {
            f"stage {number}": one.judged_again_by
            for number, one in enumerate(results)
            if one.judged_again_by
        },
        "seeds": {f"stage {number}": one.seed for number, one in enumerate(results)},
        "operations": sum(one.operations for one in results),
        "outcomes": dict(sorted(added(one.outcomes for one in results).items())),
        "faults": dict(sorted(faults.items())),
        "skipped": {name: why for one in results for name, why in one.skipped.items()},
        "violations": sum(violated.values()),
        "undecided": sum(one.undecided for one in results),
        "rules": {
            rule: row(judged[rule], violated[rule]) for rule in sorted({*RULES, *judged, *violated})
        },
        "upper_bounds_per_fault": {} if violated else {n: bound(c) for n, c in faults.items()},
    }
    return msgspec.json.format(msgspec.json.encode(written), indent=2).decode() + "\n"


def row(judged: int, violated: int) -> Json:
    """Sum up a rule."""
    return {
        "judged": judged,
        "violations": violated,
        "upper_bound": None if violated else bound(judged),
    }


def bound(times: int) -> float | None:
    """Give the upper bound of a rate after so many trials without a failure."""
    return float(f"{min(1.0, BOUND / times):.3g}") if times else None


def told(result: Result) -> Json:
    """Tell of a stage that was not clean; its history is kept beside the state."""
    return {
        "kind": result.kind,
        "seed": result.seed,
        "violations": [msgspec.to_builtins(one) for one in result.violations],
        "undecided": result.undecided,
        "drained": result.drained,
        "complaints": result.complaints,
        "broke": result.broke,
    }


def added(counts: Iterable[Mapping[str, int]]) -> Counter[str]:
    """Add counts up by name."""
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return total


def versions() -> dict[str, str]:
    """Name what was run."""
    return {
        "orchestrion": __version__,
        "commit": commit(),
        "python": platform.python_version(),
        "sqlite": apsw.sqlite_lib_version(),
        "postgres": printed(str(program_folder() / "postgres"), "--version"),
        "kernel": platform.release(),
    }


def commit() -> str:
    """Name the commit that runs."""
    return printed("git", "-C", str(ROOT), "describe", "--always", "--dirty")


def printed(*command: str) -> str:
    """Give what a program prints."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
