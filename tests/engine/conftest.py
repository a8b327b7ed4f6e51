"""Fixtures for tests of the writer on a real file."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engine.engines import Engine, running_engine


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database of the test is."""
    return tmp_path / "orchestrion.db"


@pytest.fixture
async def engine(path: Path) -> AsyncIterator[Engine]:
    """Run a writer on a new file."""
    async with running_engine(path) as engine:
        yield engine
