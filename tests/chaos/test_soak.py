"""A soak's report adds up and names what is not known; an interrupted soak goes on."""

import tarfile
from pathlib import Path

import msgspec
import pytest

from tests.chaos import history as histories
from tests.chaos.checker.good_story import everything
from tests.chaos.soak import HOURS_VARIABLE, State, load, main, save
from tests.chaos.soak_report import bound, commit, report
from tests.chaos.stage import RUN_FOLDER, Broken, Result

CLEAN = Result(
    kind="sqlite",
    seed=1,
    seconds=2.0,
    operations=700,
    outcomes={"create ok": 700},
    faults={"kill": 10},
    judged={"S1": 300, "S4": 0},
)
BROKEN = Result(
    kind="postgres",
    seed=2,
    operations=300,
    faults={"kill": 5},
    judged={"S1": 300},
    violations=[Broken(rule="S1", task="tsk_1", says="is lost")],
)


def test_the_report_adds_counts_up_and_bounds_what_never_failed() -> None:
    told = msgspec.json.decode(report([CLEAN, CLEAN], 7_200.0))

    assert told["hours"] == 2.0
    assert told["operations"] == 1_400
    assert told["outcomes"] == {"create ok": 1_400}
    assert told["upper_bounds_per_fault"] == {"kill": bound(20)}
    assert told["rules"]["S1"] == {"judged": 600, "violations": 0, "upper_bound": 0.005}


def test_what_was_never_judged_has_no_bound() -> None:
    told = msgspec.json.decode(report([CLEAN], 1.0))

    assert told["rules"]["S4"] == {"judged": 0, "violations": 0, "upper_bound": None}


def test_a_violation_is_told_and_leaves_no_bound() -> None:
    told = msgspec.json.decode(report([CLEAN, BROKEN], 1.0))

    assert told["violations"] == 1
    assert told["clean_stages"] == 1
    assert [one["seed"] for one in told["not_clean"]] == [2]
    assert told["rules"]["S1"]["upper_bound"] is None
    assert told["upper_bounds_per_fault"] == {}


@pytest.mark.parametrize(
    "result",
    [
        BROKEN,
        msgspec.structs.replace(CLEAN, undecided=1),
        msgspec.structs.replace(CLEAN, drained=False),
        msgspec.structs.replace(CLEAN, complaints=["a bug"]),
        msgspec.structs.replace(CLEAN, broke="it ended with 1"),
    ],
    ids=["violated", "undecided", "not drained", "complaints", "broke"],
)
def test_a_stage_that_proves_nothing_is_not_clean(result: Result) -> None:
    assert CLEAN.clean
    assert not result.clean


@pytest.mark.parametrize(
    ("results", "code"), [([CLEAN], 0), ([CLEAN, BROKEN], 1)], ids=["clean", "violated"]
)
def test_a_soak_whose_hours_are_over_runs_no_more_and_tells_how_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: list[Result], code: int
) -> None:
    state = State(commit=commit(), seconds=3_600.0, results=results)
    save(tmp_path, state)
    monkeypatch.setenv(HOURS_VARIABLE, "1")
    typed(monkeypatch, tmp_path)

    assert main() == code
    assert load(tmp_path) == state


def test_a_soak_of_another_commit_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, State(commit="another", seconds=3_600.0, results=[BROKEN]))
    monkeypatch.setenv(HOURS_VARIABLE, "0.0000000001")
    monkeypatch.setattr("tests.chaos.soak.stage", lambda *_: CLEAN)
    typed(monkeypatch, tmp_path)

    assert main() == 0
    assert load(tmp_path).results == [CLEAN]


def test_a_kept_history_is_judged_again_and_the_report_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "stage-1" / RUN_FOLDER
    run.mkdir(parents=True)
    histories.write(run, everything().history())
    with tarfile.open(tmp_path / "stage-1.tar.gz", "w:gz") as kept:
        kept.add(run.parent, "stage-1")
    save(tmp_path, State(seconds=9.0, results=[CLEAN, BROKEN]))
    typed(monkeypatch, tmp_path, "--judge-again")

    assert main() == 0
    told = msgspec.json.decode((tmp_path / "report.json").read_bytes())
    assert told["judged_again"] == {"stage 1": commit()}
    assert (told["violations"], told["clean_stages"]) == (0, 2)
    assert told["rules"]["S1"]["judged"] > CLEAN.judged["S1"]


def typed(monkeypatch: pytest.MonkeyPatch, folder: Path, *flags: str) -> None:
    """Have a soak started with these flags."""
    given = ["--report", str(folder / "report.json"), "--folder", str(folder), *flags]
    monkeypatch.setattr("sys.argv", ["soak", *given])
