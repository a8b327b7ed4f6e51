"""Operators' commands through PgBouncer in transaction mode."""

import json
from collections.abc import Iterator
from importlib.resources import files

import pytest
from click.testing import CliRunner, Result

from orchestrion.cli import main
from tests.databases import Databases
from tests.pgbouncer import PgBouncer

pytestmark = pytest.mark.pgbouncer


@pytest.fixture
def url(databases: Databases) -> Iterator[str]:
    """Give an empty database behind a pooler."""
    name = databases.postgres.bare().rpartition("/")[2]
    with PgBouncer(databases.postgres.url) as pooler:
        yield pooler.url(name)


def typed(url: str, *arguments: str) -> Result:
    variables = {"ORCHESTRION_DATABASE": url, "ORCHESTRION_DATABASE_POOLER": "transaction"}
    result = CliRunner().invoke(main, arguments, env=variables)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


def test_every_command_works_through_a_pooler(url: str) -> None:
    migrations = files("orchestrion.store.postgres").joinpath("migrations").iterdir()
    applied = typed(url, "db", "migrate").stdout.splitlines()
    assert applied == sorted(file.name for file in migrations)
    assert typed(url, "db", "sql").stderr == "Nothing to do.\n"
    assert json.loads(typed(url, "db", "status").stdout)["outstanding"] == []

    key_id = typed(url, "keys", "create").stderr.split()[1]
    assert json.loads(typed(url, "keys", "list").stdout)["key_id"] == key_id
    assert typed(url, "keys", "revoke", key_id).stdout == key_id + "\n"
