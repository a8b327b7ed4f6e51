"""One stage of a soak in a process of its own: `python -m tests.chaos.stage KIND SEED FOLDER`.

Writes what it came to as JSON, and keeps the history for whoever started it.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from tests.chaos import history
from tests.chaos.campaign import Plan, run
from tests.chaos.checker import check
from tests.chaos.ground import POSTGRES, SQLITE
from tests.chaos.nemesis import JUDGED_IN_CALM, each_once
from tests.chaos.short import SHORT_FORMS
from tests.crash.cutting import cuts

IMAGES: Final = "crash images"
RUN_FOLDER: Final = "run"
RESULT_FILE: Final = "result.json"
CAMPAIGN_SECONDS: Final = 120.0
IMAGES_COUNT: Final = 500
JUDGED: Final = "judged "
RATES: Final = (120.0, 200.0, 300.0)
QUIETS: Final = (0.6, 1.2, 3.0)


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """A promise that did not hold."""

    rule: str
    task: str | None
    says: str


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a stage came to; counts go by name."""

    kind: str
    seed: int
    seconds: float = 0.0
    operations: int = 0
    outcomes: dict[str, int] = {}
    faults: dict[str, int] = {}
    judged: dict[str, int] = {}
    violations: list[Broken] = []
    undecided: int = 0
    drained: bool = True
    skipped: dict[str, str] = {}
    # Lines of the servers' logs that should not be there.
    complaints: list[str] = []
    # Why nothing could be judged; empty if it could.
    broke: str = ""
    # The commit whose checker judged the kept history again; empty if it was judged once.
    judged_again_by: str = ""

    @property
    def clean(self) -> bool:
        """Whether nothing at all is wrong."""
        wrong = self.violations or self.undecided or self.complaints or self.broke
        return self.drained and not wrong


def campaign(kind: str, seed: int, folder: Path) -> Result:
    """Run a campaign and judge it."""
    ended = run(_plan(kind, seed, folder))
    result = Result(
        kind=kind,
        seed=seed,
        seconds=ended.seconds,
        operations=ended.operations,
        outcomes=ended.outcomes,
        faults=ended.faults,
        drained=ended.drained,
        skipped=ended.skipped,
        complaints=ended.complaints,
    )
    return judged(result, folder)


def judged(result: Result, folder: Path) -> Result:
    """Judge the history in the folder of a stage."""
    verdict = check(history.read(folder / RUN_FOLDER))
    (folder / "verdict.txt").write_text(verdict.text(), "utf-8")
    return msgspec.structs.replace(
        result,
        judged={
            name.removeprefix(JUDGED): count
            for name, count in verdict.counts.items()
            if name.startswith(JUDGED)
        },
        violations=[
            Broken(rule=one.rule, task=one.task, says=one.says) for one in verdict.violations
        ],
        undecided=len(verdict.undecided),
    )


def _plan(kind: str, seed: int, folder: Path) -> Plan:
    # Pace and quiet change with the seed.
    form = SHORT_FORMS[kind]
    return Plan(
        seed=seed,
        store=kind,
        folder=folder / RUN_FOLDER,
        seconds=CAMPAIGN_SECONDS,
        seconds_max=CAMPAIGN_SECONDS + form.seconds_max,
        least={**each_once(kind), **form.least},
        calm=JUDGED_IN_CALM,
        rate=RATES[seed % len(RATES)],
        quiet_seconds=QUIETS[seed // len(RATES) % len(QUIETS)],
        repeated_by=f"python -m tests.chaos.stage {kind} {seed} FOLDER",
    )


def crash_images(kind: str, seed: int, folder: Path) -> Result:
    """Cut the power of a recorded life many times."""
    began = time.monotonic()
    found = asyncio.run(cuts(IMAGES_COUNT, seed))
    (folder / "verdict.txt").write_text(found.text(), "utf-8")
    return Result(
        kind=kind,
        seed=seed,
        seconds=round(time.monotonic() - began, 1),
        judged={kind: found.images},
        violations=[
            Broken(rule=problem.kind, task=None, says=f"cut at {image.at}: {problem.says}")
            for image, problem in found.problems
        ],
    )


KINDS: Final[Mapping[str, Callable[[str, int, Path], Result]]] = {
    SQLITE: campaign,
    POSTGRES: campaign,
    IMAGES: crash_images,
}


def main() -> None:
    """Run the stage."""
    kind, seed, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    result = KINDS[kind](kind, seed, folder)
    (folder / RESULT_FILE).write_bytes(msgspec.json.encode(result))


if __name__ == "__main__":
    main()
