"""Fixtures for tests of the command line."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.callers import Caller, calling
from tests.cli.operators import Operator
from tests.databases import KINDS, SQLITE, Databases


@pytest.fixture(params=KINDS)
def operator(
    databases: Databases, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Operator]:
    if request.param == SQLITE:
        yield Operator(f"sqlite:///{tmp_path}/tasks.db")
    else:
        with databases.postgres.lent() as database:
            yield Operator(database.url)


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """Share a server among the tests of a file."""
    with calling(tmp_path_factory.mktemp("served")) as caller:
        yield caller
