"""Fixtures for tests of what every store does."""

from collections.abc import AsyncIterator

import pytest

from tests.databases import Database
from tests.engine.engines import Engine, running_engine


@pytest.fixture
async def engine(database: Database) -> AsyncIterator[Engine]:
    """Run a writer on an empty database."""
    async with running_engine(database) as engine:
        yield engine
