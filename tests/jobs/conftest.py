"""Fixtures for tests of the background jobs in the whole application."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.harness import Harness, running
from tests.http.disks import Disk


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database of the test is."""
    return tmp_path / "orchestrion.db"


@pytest.fixture
def disk() -> Iterator[Disk]:
    """A disk that flushes nothing, which no test here needs."""
    disk = Disk()
    yield disk
    disk.unregister()


@pytest.fixture
async def service(path: Path, disk: Disk) -> AsyncIterator[Harness]:
    """Run the service on a new file."""
    async with running(path, vfs=disk.label) as harness:
        yield harness
