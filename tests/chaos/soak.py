"""Campaigns for hours: `SOAK_HOURS=4 python -m tests.chaos.soak --report FILE`.

Stages alternate; after each the report is written anew. A soak that is interrupted goes on where it
was when it is started again with the same `--folder`; one of another commit begins anew. Histories
of clean stages are deleted, those of others kept, compressed. With `--judge-again` nothing is run:
where the checker was mended, it judges the kept histories again, and the report says so.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Final

import msgspec

from tests.chaos.replica import ROOT
from tests.chaos.soak_report import commit, report
from tests.chaos.stage import KINDS, RESULT_FILE, Result, judged

HOURS_VARIABLE: Final = "SOAK_HOURS"
HOURS: Final = 4.0
HOUR_SECONDS: Final = 3_600.0
# A stage that takes longer hangs.
STAGE_SECONDS_MAX: Final = 1_800.0
SAID_MAX: Final = 4_000
SEED: Final = 1
# Campaigns take most of the time.
ORDER: Final = ("sqlite", "postgres", "postgres", "crash images")


class State(msgspec.Struct, kw_only=True):
    """How far a soak is; `seconds` are those its stages took."""

    commit: str = ""
    seconds: float = 0.0
    results: list[Result] = []


def main() -> int:
    """Go on until the hours are over; gives 1 if any stage was not clean."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    state = load(folder)
    if arguments.judge_again:
        state.results = [judged_again(folder, *numbered) for numbered in enumerate(state.results)]
        save(folder, state)
        arguments.report.write_text(report(state.results, state.seconds), "utf-8")
        return 0 if all(result.clean for result in state.results) else 1
    if state.commit != commit():
        state = State(commit=commit())
    seconds = float(os.environ.get(HOURS_VARIABLE) or HOURS) * HOUR_SECONDS
    while state.seconds < seconds:
        if commit() != state.commit:
            sys.exit("the checkout has moved on: a soak is of one commit; start it again")
        began = time.monotonic()
        result = stage(folder, len(state.results), arguments.seed)
        state.results.append(result)
        state.seconds += time.monotonic() - began
        save(folder, state)
        arguments.report.write_text(report(state.results, state.seconds), "utf-8")
        _say(result)
    return 0 if all(result.clean for result in state.results) else 1


def stage(folder: Path, number: int, seed: int) -> Result:
    """Run the stage of this number; whatever it does, the soak goes on."""
    kind = ORDER[number % len(ORDER)]
    place = folder / f"stage-{number}"
    # What an interrupted stage left is no part of this.
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    result = _run(kind, seed + number, place)
    if not result.clean:
        with tarfile.open(folder / f"{place.name}.tar.gz", "w:gz") as kept:
            kept.add(place, place.name)
    shutil.rmtree(place)
    return result


def judged_again(folder: Path, number: int, result: Result) -> Result:
    """Judge a stage's history again, if it was kept."""
    kept = folder / f"stage-{number}.tar.gz"
    if result.clean or result.broke or not kept.exists():
        return result
    with tempfile.TemporaryDirectory(prefix="orchestrion-soak-") as place:
        subprocess.run(["tar", "-xzf", str(kept), "-C", place], check=True)
        found = judged(result, Path(place) / f"stage-{number}")
    return msgspec.structs.replace(found, judged_again_by=commit())


def _run(kind: str, seed: int, place: Path) -> Result:
    assert kind in KINDS
    command = [sys.executable, "-m", "tests.chaos.stage", kind, str(seed), str(place)]
    with (place / "said").open("wb") as said:
        process = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said)
        try:
            process.wait(STAGE_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            said.write(b"it hangs\n")
        finally:
            if process.poll() is None:
                # So it ends its servers; SIGTERM would leave them.
                process.send_signal(signal.SIGINT)
                process.wait()
    written = place / RESULT_FILE
    if process.returncode == 0 and written.exists():
        return msgspec.json.decode(written.read_bytes(), type=Result)
    broke = (place / "said").read_text("utf-8", "replace")[-SAID_MAX:]
    return Result(kind=kind, seed=seed, broke=broke or f"it ended with {process.returncode}")


def load(folder: Path) -> State:
    """Read how far the soak in a folder is."""
    path = folder / "state.json"
    return msgspec.json.decode(path.read_bytes(), type=State) if path.exists() else State()


def save(folder: Path, state: State) -> None:
    """Keep how far it is; whoever is interrupted here keeps the former state."""
    new = folder / "state.json.new"
    new.write_bytes(msgspec.json.encode(state))
    new.replace(folder / "state.json")


def _say(result: Result) -> None:
    word = "clean" if result.clean else "NOT clean"
    sys.stdout.write(
        f"{result.kind}, seed {result.seed}: {word}, {result.operations} operations, "
        f"{sum(result.faults.values())} faults, {len(result.violations)} violations\n"
    )
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    parser.add_argument("--report", type=Path, required=True)
    default = Path(tempfile.gettempdir()) / "orchestrion-soak"
    parser.add_argument("--folder", type=Path, default=default, help="its state and kept histories")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument(
        "--judge-again", action="store_true", help="run nothing, judge what is kept"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
