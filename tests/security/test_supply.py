"""What is installed is what was pinned, by hash, and new enough where it has mattered before."""

import re
from importlib.metadata import version
from typing import Final

import apsw
import pytest

from tests.security.pins import FILES, Pin, lines_of, pins_of
from tests.security.tests_by_name import ROOT

# Each is the first release without a flaw that would have been ours: docs/security.md says which.
FIRST_GOOD: Final = {"h11": "0.16.0", "starlette": "0.49.1", "apsw": "3.51.3"}
DEPENDENCIES: Final = re.compile(r'^  "([a-z0-9-]+)>=', re.MULTILINE)


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text))


@pytest.mark.parametrize("file", FILES)
def test_everything_is_pinned_with_its_hashes(file: str) -> None:
    pins = pins_of(file)

    assert len(pins) >= 7
    assert [pin.name for pin in pins if not pin.hashes] == []
    assert len({pin.name for pin in pins}) == len(pins)


@pytest.mark.parametrize("file", FILES)
def test_no_file_names_another_place_to_fetch_from(file: str) -> None:
    lines = lines_of(ROOT / "requirements" / f"{file}.txt")

    assert [line for line in lines if re.search(r"https?:|--(extra-)?index|--find|-e ", line)] == []


def test_the_files_agree_on_every_version() -> None:
    told: dict[str, set[str]] = {}
    for file in FILES:
        for pin in pins_of(file):
            told.setdefault(pin.name, set()).add(pin.version)

    assert {name: found for name, found in told.items() if len(found) > 1} == {}


def test_what_is_installed_is_fetched_by_hash_alone() -> None:
    make = (ROOT / "Makefile").read_text("utf-8")

    fetching = [line for line in make.splitlines() if "$(PIP)" in line]
    assert len(fetching) >= 3
    for line in fetching:
        # What is here already needs no hash, and fetches nothing.
        assert "--require-hashes" in line or "--no-deps --editable ." in line, line


def test_every_dependency_is_pinned() -> None:
    named = DEPENDENCIES.findall((ROOT / "pyproject.toml").read_text("utf-8"))

    assert len(named) >= 10
    assert set(named) <= {pin.name for pin in pins_of("run")}


@pytest.mark.parametrize("name", FIRST_GOOD)
def test_what_was_flawed_once_is_new_enough(name: str) -> None:
    (pin,) = (pin for pin in pins_of("run") if pin.name == name)

    assert numbers(pin.version) >= numbers(FIRST_GOOD[name])
    assert numbers(version(name)) >= numbers(FIRST_GOOD[name])


def test_sqlite_is_new_enough() -> None:
    assert numbers(apsw.sqlite_lib_version()) >= (3, 51, 3)


@pytest.mark.parametrize("file", ["run", "postgres"])
def test_what_runs_here_is_what_was_pinned(file: str) -> None:
    assert [pin.purl for pin in pins_of(file) if not _is_here(pin)] == []


def _is_here(pin: Pin) -> bool:
    # What only another system or Python needs is not here.
    return bool(pin.marker) or version(pin.name) == pin.version
