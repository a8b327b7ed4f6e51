"""No pinned release is in the affected range of an advisory of the stored list."""

from datetime import date

import pytest
from packaging.specifiers import SpecifierSet

from tests.security.advisories import Advisory, found_in, pinned, stored
from tests.security.pins import Pin, pins_of
from tests.security.tests_by_name import ROOT

LISTED = stored()


def release(name: str, version: str) -> Pin:
    return Pin(name=name, version=version, marker="", hashes=())


def test_no_pinned_release_has_a_flaw_of_the_list() -> None:
    assert found_in(pinned(), LISTED.advisories) == []


@pytest.mark.parametrize(
    ("name", "version", "expected"),
    [
        ("h11", "0.14.0", ["CVE-2025-43859"]),
        ("h11", "0.16.0", []),
        ("starlette", "0.48.0", ["CVE-2025-62727", "CVE-2026-48710"]),
        ("starlette", "0.38.0", ["CVE-2024-47874"]),
        ("apsw", "3.51.2.0", ["CVE-2025-70873"]),
        ("apsw", "3.53.2.0", []),
        ("asyncpg", "0.20.1", ["CVE-2020-17446"]),
        ("asyncpg", "0.21.0", []),
    ],
)
def test_a_known_bad_release_is_found_and_a_good_one_is_not(
    name: str, version: str, expected: list[str]
) -> None:
    found = found_in([release(name, version)], LISTED.advisories)

    assert bool(found) == bool(expected)
    for advisory in expected:
        assert any(advisory in line for line in found), advisory


@pytest.mark.parametrize("advisory", LISTED.advisories, ids=lambda one: f"{one.package}-{one.id}")
def test_what_is_mended_is_no_longer_affected(advisory: Advisory) -> None:
    assert not SpecifierSet(advisory.affected).contains(advisory.fixed_in)
    assert advisory.source
    assert advisory.says


def test_the_list_says_what_it_is_and_the_page_says_when_it_was_written() -> None:
    page = (ROOT / "docs" / "security.md").read_text("utf-8")

    assert date.fromisoformat(LISTED.newest_report) <= date.fromisoformat(LISTED.date)
    assert "not complete" in LISTED.what
    assert LISTED.date in page
    assert "pip-audit -r requirements/run.txt" in page


def test_most_of_what_speaks_to_the_network_is_in_the_list() -> None:
    listed = {advisory.package for advisory in LISTED.advisories}
    speaking = {"anyio", "h11", "httpcore2", "httptools", "httpx2", "idna", "starlette", "uvicorn"}

    assert speaking <= {pin.name for pin in pins_of("run")} & listed
