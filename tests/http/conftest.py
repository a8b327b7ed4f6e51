"""Fixtures for tests through the application."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from orchestrion.core.plans import HOSTED, Catalogue, RequestLimits
from orchestrion.service import ServiceOptions
from tests.harness import Account, Harness, running
from tests.http.callers import Caller
from tests.http.disks import Disk

FRUGAL = Catalogue(
    plans=HOSTED.plans, limits=RequestLimits(reads_per_hour=5, discovery_per_minute=4)
)


@pytest.fixture
def disk() -> Iterator[Disk]:
    """A disk that does what the test says."""
    disk = Disk()
    yield disk
    disk.unregister()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Where the database of the test is."""
    return tmp_path / "orchestrion.db"


@pytest.fixture
async def service(database: Path, disk: Disk) -> AsyncIterator[Harness]:
    """Run the service on a new file."""
    async with running(database, vfs=disk.label) as harness:
        yield harness
        disk.heal()


@pytest.fixture
async def hosted(database: Path, disk: Disk) -> AsyncIterator[Harness]:
    """Run the service with the commercial plans."""
    async with running(database, ServiceOptions(catalogue=HOSTED), disk.label) as harness:
        yield harness
        disk.heal()


@pytest.fixture
def caller(service: Harness, account: Account) -> Caller:
    """An account of the service that calls."""
    return Caller(service, account)


@pytest.fixture
async def customer(hosted: Harness) -> Caller:
    """An account on the free plan of the commercial catalogue."""
    return Caller(hosted, await hosted.account())


@pytest.fixture
async def frugal(database: Path, disk: Disk) -> AsyncIterator[Caller]:
    """An account that may read five times an hour, and discover four times a minute."""
    async with running(database, ServiceOptions(catalogue=FRUGAL), disk.label) as harness:
        yield Caller(harness, await harness.account())
        disk.heal()
