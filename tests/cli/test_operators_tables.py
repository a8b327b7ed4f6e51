"""What an operator sees on a terminal of what programs get as JSON."""

import json
from pathlib import Path

import pytest

from tests.cli.callers import Caller

PLANS = """
[plans.free]
name = "Free"
price_usd = 0
max_workers = 2
tasks_per_cycle = 200
claims_per_hour = 120
creates_per_hour = 120
retention_days = 7
"""


def test_keys_are_a_table(caller: Caller) -> None:
    heading, row, *_ = caller.sees("keys", "list", *database(caller)).splitlines()

    assert heading.split() == ["key", "id", "account", "created", "revoked"]
    assert row.split()[:1] == [only_key(caller)["key_id"]]


@pytest.mark.parametrize(
    ("command", "name"), [(("db", "status"), "applied"), (("accounts", "show"), "tasks_per_cycle")]
)
def test_one_object_is_names_and_values(
    caller: Caller, command: tuple[str, ...], name: str
) -> None:
    account = (only_key(caller)["account_id"],) if command[0] == "accounts" else ()

    shown = caller.sees(*command, *account, *database(caller))

    assert name in [line.split()[0] for line in shown.splitlines()]
    assert "{" not in shown


def test_a_catalogue_is_a_table(caller: Caller, tmp_path: Path) -> None:
    file = tmp_path / "plans.toml"
    file.write_text(PLANS, "utf-8")

    heading, row = caller.sees("plans", "validate", str(file)).splitlines()

    assert heading.split()[:3] == ["plan", "USD", "workers"]
    assert row.split() == ["free", "0", "2", "200", "120", "120", "7"]


def only_key(caller: Caller) -> dict[str, str]:
    (key,) = caller.types("keys", "list", *database(caller)).stdout.splitlines()
    return dict(json.loads(key))


def database(caller: Caller) -> tuple[str, str]:
    return ("--database", f"sqlite:///{caller.database}")
