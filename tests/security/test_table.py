"""The table of docs/security.md names, for each risk of the list, tests that exist."""

import re
from typing import Final

import pytest

from tests.security.tests_by_name import ROOT, known_tests, named_in

PAGE: Final = (ROOT / "docs" / "security.md").read_text("utf-8")
RISKS: Final = [f"API{number}" for number in range(1, 11)]
_ROW: Final = re.compile(
    r"^\| (API\d+) [^|]*\|([^|]+)\|([^|]+)\| \[(\d+)\]\(#(api\d+)\) \|$", re.MULTILINE
)
_TESTS: Final = re.compile(r"^### (API\d+)\n\n((?:- .+\n)+)", re.MULTILINE)
ROWS: Final = {row[1]: row for row in _ROW.finditer(PAGE)}
TESTS: Final = {found[1]: named_in(found[2]) for found in _TESTS.finditer(PAGE)}


def test_every_risk_has_its_row_and_its_tests() -> None:
    assert list(ROWS) == RISKS
    assert list(TESTS) == RISKS


@pytest.mark.parametrize("risk", RISKS)
def test_a_row_says_what_is_exposed_what_protects_it_and_which_tests_show_it(risk: str) -> None:
    _, surface, protection, count, link = ROWS[risk].groups()

    assert surface.strip()
    assert protection.strip()
    assert link == risk.lower()
    assert int(count) == len(set(TESTS[risk])) >= 3


def test_every_test_that_is_named_exists() -> None:
    assert [name for name in named_in(PAGE) if name not in known_tests()] == []


def test_a_test_that_is_not_there_would_be_missed() -> None:
    here = "tests/security/test_table.py"

    assert named_in(f"`{here}::test_every_test_that_is_named_exists`, `{here}::test_gone`.") == [
        f"{here}::test_every_test_that_is_named_exists",
        f"{here}::test_gone",
    ]
    assert f"{here}::test_every_test_that_is_named_exists" in known_tests()
    assert f"{here}::test_gone" not in known_tests()
