"""Reads docs/guarantees.md: the promises, the tests that back them, what was counted.

`python -m tests.security.promises REPORT.xml …` writes the counts of cases anew, from the reports
of whole runs (`pytest --junitxml REPORT.xml`); what stands behind the first `·` is kept.
"""

import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

import msgspec

from tests.security.tests_by_name import ROOT, named_in

PAGE: Final = ROOT / "docs" / "guarantees.md"
_SECTION: Final = re.compile(r"^## (\d+)\. (.+)\n((?:(?!^## ).*\n)+)", re.MULTILINE)
_COUNTS: Final = re.compile(r"^counts: ([^·\n]+?)( · .*)?$", re.MULTILINE)
_NOT_PROMISED: Final = re.compile(r"^## Not promised\n((?:(?!^## ).*\n)+)", re.MULTILINE)


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """One promise: its words, the tests behind it, and what the last run counted."""

    number: int
    title: str
    text: str
    tests: Sequence[str]
    counts: str


def promises(page: str) -> list[Promise]:
    """Read them in their order."""
    return [
        Promise(
            number=int(found[1]),
            title=found[2],
            text=found[3].partition("\n- ")[0].strip(),
            tests=named_in(found[3]),
            counts=told[0].removeprefix("counts: ") if (told := _COUNTS.search(found[3])) else "",
        )
        for found in _SECTION.finditer(page)
    ]


def not_promised(page: str) -> list[str]:
    """Read what is not promised, one each."""
    found = _NOT_PROMISED.search(page)
    return re.findall(r"^- \*\*(.+?)\*\*", found[1], re.MULTILINE | re.DOTALL) if found else []


def cases_in(reports: Sequence[Path]) -> Counter[tuple[str, str]]:
    """Count the cases of each test by how they ended: passed, failed or skipped."""
    cases: Counter[tuple[str, str]] = Counter()
    for report in reports:
        for case in ET.parse(report).iter("testcase"):
            where = case.attrib["classname"].replace(".", "/") + ".py"
            name = f"{where}::{case.attrib['name'].partition('[')[0]}"
            ended = {child.tag for child in case} & {"failure", "error", "skipped"}
            cases[
                name, "passed" if not ended else "skipped" if "skipped" in ended else "failed"
            ] += 1
    return cases


def counted(page: str, cases: Counter[tuple[str, str]]) -> str:
    """Write the counts of every promise anew."""

    def section(found: re.Match[str]) -> str:
        tests = named_in(found[0])
        ends = {end: sum(cases[test, end] for test in tests) for end in ("failed", "skipped")}
        passed = sum(cases[test, "passed"] for test in tests)
        unrun = [test for test in tests if not any(cases[test, end] for end in (*ends, "passed"))]
        told = [f"{passed} cases of {len(tests)} tests passed"]
        told += [f"{count} {end}" for end, count in ends.items() if count]
        told += [f"{len(unrun)} tests not run"] if unrun else []
        return _COUNTS.sub(lambda old: f"counts: {', '.join(told)}{old[2] or ''}", found[0])

    return _SECTION.sub(section, page)


def main() -> None:
    """Count, and write the page."""
    page = PAGE.read_text("utf-8")
    PAGE.write_text(counted(page, cases_in([Path(name) for name in sys.argv[1:]])), "utf-8")


if __name__ == "__main__":
    main()
