"""The checker lets a good history pass and names the rule that a bad one breaks."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from msgspec.structs import replace

from tests.chaos import history as histories
from tests.chaos.checker import RULES, check, linearizability
from tests.chaos.checker.bad_answers import BAD_ANSWERS, advised_and_refused, cut_by_a_stop
from tests.chaos.checker.bad_tasks import BAD_TASKS
from tests.chaos.checker.good_story import everything
from tests.chaos.checker.story import Bad

ROOT: Final = Path(__file__).parents[2]
BAD: Final = (*BAD_TASKS, *BAD_ANSWERS)
IMPORTED: Final = """
import sys, tests.chaos.checker.__main__
print([name for name in sys.modules if name.split(".")[0] == "orchestrion"])
"""


def test_a_good_history_is_clean_and_every_rule_had_something_to_judge() -> None:
    verdict = check(everything().history())

    assert verdict.clean, verdict.text()
    assert [rule for rule in RULES if not verdict.counts.get(f"judged {rule}")] == []


@pytest.mark.parametrize(("rule", "story"), BAD, ids=[story.__name__ for _, story in BAD])
def test_a_bad_history_breaks_exactly_its_rule(rule: str, story: Bad) -> None:
    verdict = check(story().history())

    assert verdict.rules == {rule}, verdict.text()
    assert not verdict.clean


def test_every_rule_is_broken_by_some_history() -> None:
    assert {rule for rule, _ in BAD} == set(RULES)


def test_a_violation_is_told_with_its_history_the_seed_and_the_command(tmp_path: Path) -> None:
    rule, story = BAD[0]
    histories.write(tmp_path, story().history())

    told = _python("-m", "tests.chaos.checker", str(tmp_path))

    assert told.returncode == 1
    for part in (f"{rule} tsk_", " create ok 201 ", "seed 0", "again: python -m"):
        assert part in told.stdout


def test_a_violation_is_cut_where_the_history_first_goes_wrong() -> None:
    story = next(story for _, story in BAD if story.__name__ == "refused_without_a_reason")

    (violation,) = check(story().history()).violations

    assert [each.name for each in violation.operations] == ["create", "claim_task", "heartbeat"]


def test_advice_from_before_a_clock_step_is_not_held_against_the_server() -> None:
    story = advised_and_refused()
    refused = next(each for each in story.operations if each.code == "invalid_transition")
    story.fault("F14", "clock step", 0)
    story.faults[-1] = replace(story.faults[-1], began=refused.invoked, ended=refused.invoked)

    assert "S22" not in check(story.history()).rules


def test_what_a_bad_wire_held_back_was_not_cut_by_a_stop() -> None:
    story = cut_by_a_stop()
    (cut,) = (each for each in story.operations if each.outcome == "info")
    story.fault("F4", "bad wire", 0)
    story.faults[-1] = replace(story.faults[-1], began=cut.invoked - 1, ended=cut.invoked + 1)

    assert check(story.history()).clean


def test_a_clean_run_is_told_with_what_was_judged(tmp_path: Path) -> None:
    histories.write(tmp_path, everything().history())

    told = _python("-m", "tests.chaos.checker", str(tmp_path))

    assert told.returncode == 0
    assert told.stdout.startswith("clean\nviolations 0, undecided tasks 0\njudged: S1 ")


def test_a_task_whose_search_is_given_up_is_undecided_and_not_clean(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(linearizability, "NODES_MAX", 1)

    verdict = check(everything().history())

    assert verdict.violations == []
    assert not verdict.clean
    assert verdict.counts["undecided"] == len(verdict.undecided) > 0
    assert f"undecided: {verdict.undecided[0]}" in verdict.text()


def test_a_history_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = everything().history()

    histories.write(tmp_path, written)

    assert histories.read(tmp_path) == written


def test_bounds_of_time_stretch_by_the_slowness_that_a_run_admits() -> None:
    story = next(story for _, story in BAD if story.__name__ == "killed_and_away_too_long")()
    story.settings["slowness"] = 2.0

    verdict = check(story.history())

    assert verdict.clean, verdict.text()
    assert "bounds of time are stretched 2.0 times" in verdict.text()


def test_the_checker_imports_nothing_of_the_service() -> None:
    assert _python("-c", IMPORTED).stdout == "[]\n"


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
