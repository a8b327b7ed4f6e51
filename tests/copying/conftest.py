"""Fixtures for tests of copies."""

from collections.abc import Iterator

import pytest

from tests.copying.places import fill
from tests.databases import Databases, SqliteDatabase


@pytest.fixture
def file(databases: Databases) -> Iterator[SqliteDatabase]:
    """Lend a file with rows of every kind."""
    with databases.sqlite() as file:
        fill(file)
        yield file


@pytest.fixture
def url(databases: Databases) -> str:
    """Where a database without any table is."""
    return databases.postgres.bare()
