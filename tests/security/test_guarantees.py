"""Every promise of docs/guarantees.md is backed by tests that exist, and says what was counted."""

import re
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from tests.security.promises import PAGE, Promise, cases_in, counted, not_promised, promises
from tests.security.tests_by_name import known_tests, named_in

TEXT: Final = PAGE.read_text("utf-8")
PROMISES: Final = promises(TEXT)
SAMPLE: Final = """## 1. One

Text.

- `tests/a/test_b.py::test_c`
- `tests/a/test_b.py::test_d`

counts: 0 cases · 12 kills
"""
REPORT: Final = """<testsuites><testsuite>
<testcase classname="tests.a.test_b" name="test_c[sqlite]"/>
<testcase classname="tests.a.test_b" name="test_c[postgres]"/>
<testcase classname="tests.a.test_b" name="test_d"><failure message="x"/></testcase>
</testsuite></testsuites>
"""


def test_there_are_fourteen_promises_in_order() -> None:
    assert [promise.number for promise in PROMISES] == list(range(1, 15))


@pytest.mark.parametrize("promise", PROMISES, ids=lambda one: one.number)
def test_a_promise_is_backed_by_tests_that_exist(promise: Promise) -> None:
    assert promise.text
    assert promise.tests
    assert len(set(promise.tests)) == len(promise.tests)
    assert [name for name in promise.tests if name not in known_tests()] == []


@pytest.mark.parametrize("promise", PROMISES, ids=lambda one: one.number)
def test_a_promise_says_what_the_last_run_counted(promise: Promise) -> None:
    assert re.match(rf"[1-9][0-9]* cases of {len(promise.tests)} tests passed", promise.counts)
    assert "failed" not in promise.counts
    assert "not run" not in promise.counts


def test_every_test_named_anywhere_on_the_page_exists() -> None:
    named = [name for name in named_in(TEXT) if "::" in name]

    assert len(named) > 60
    assert [name for name in named if name not in known_tests()] == []


def test_what_is_not_promised_is_said_as_plainly() -> None:
    assert len(not_promised(TEXT)) >= 7


def test_the_contents_name_every_promise() -> None:
    contents = TEXT.partition("Contents:")[2].partition("\n\n")[0]

    for promise in PROMISES:
        kept = "".join(one for one in promise.title.lower() if one.isalnum() or one == " ")
        assert f"(#{promise.number}-{kept.replace(' ', '-')})" in contents


def test_counts_are_written_from_the_report_of_a_run(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(REPORT, "utf-8")

    page = counted(SAMPLE, cases_in([report]))

    assert "counts: 2 cases of 2 tests passed, 1 failed · 12 kills\n" in page
    assert "2 tests not run" in counted(SAMPLE, Counter())
