"""Operators look at a catalogue before a server reads it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orchestrion.cli import main
from tests.cli.operators import assert_refused

GOOD = """
[plans.free]
name = "Free"
price_usd = 0
max_workers = 2
tasks_per_cycle = 200
claims_per_hour = 120
creates_per_hour = 120
retention_days = 7

[plans.pro]
name = "Pro"
price_usd = 24.99
max_workers = 25
tasks_per_cycle = 25000
claims_per_hour = 4000
creates_per_hour = 2000
retention_days = 60
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "plans.toml"
    file.write_text(GOOD, "utf-8")
    return file


def validate(file: Path, *flags: str) -> Result:
    return CliRunner().invoke(main, ["plans", "validate", str(file), *flags])


def test_a_good_file_is_shown_as_it_is_read(file: Path) -> None:
    result = validate(file)

    assert result.exit_code == 0, result.output
    plans = json.loads(result.stdout)["plans"]
    assert plans["free"]["tasks_per_cycle"] == 200
    assert plans["pro"]["retention_days"] == 60
    assert result.stdout == validate(file, "--json").stdout
    assert result.stderr == f"{file} can be used.\n"


def test_programs_read_it_as_json(file: Path) -> None:
    plans = json.loads(validate(file, "--json").stdout)["plans"]

    assert list(plans) == ["free", "pro"]
    # A decimal, which no reader turns into a float by itself.
    assert plans["pro"]["price_usd"] == "24.99"


@pytest.mark.parametrize(
    ("wrong", "right", "told"),
    [
        ("price_usd = 24.999", "price_usd = 24.99", "line 13: "),
        ("max_workers = 0", "max_workers = 25", "line 14: plan 'pro'"),
        ("[plans.gold]", "[plans.pro]", "line 11: unknown plan 'gold'"),
        ("[plans.pro", "[plans.pro]", "line 11"),
        ("[plans.basic]", "[plans.free]", "'free' is required"),
        ("price_usd = 1", "price_usd = 0", "line 4: "),
    ],
)
def test_a_bad_file_is_refused_with_its_line_and_the_reason(
    wrong: str, right: str, told: str, file: Path
) -> None:
    assert GOOD.count(right) == 1 or right == "price_usd = 0"
    file.write_text(GOOD.replace(right, wrong, 1), "utf-8")

    result = validate(file)

    assert_refused(result)
    assert told in result.stderr
    assert str(file) in result.stderr


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    result = validate(tmp_path / "none.toml")

    assert_refused(result)
    assert "No such file" in result.stderr
