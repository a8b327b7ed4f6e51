"""Fixtures for tests through the application."""

from collections.abc import AsyncIterator

import pytest

from orchestrion.core.plans import HOSTED, Catalogue, RequestLimits
from orchestrion.service import ServiceOptions
from tests.databases import Database
from tests.harness import Account, Harness, running
from tests.http.callers import Caller
from tests.http.market import Buyer, selling
from tests.pretend_paypal import PretendPayPal

FRUGAL = Catalogue(
    plans=HOSTED.plans, limits=RequestLimits(reads_per_hour=5, discovery_per_minute=4)
)


@pytest.fixture
async def hosted(database: Database) -> AsyncIterator[Harness]:
    """Run the service with the commercial plans."""
    async with running(database, ServiceOptions(catalogue=HOSTED)) as harness:
        yield harness


@pytest.fixture
def caller(service: Harness, account: Account) -> Caller:
    """An account of the service that calls."""
    return Caller(service, account)


@pytest.fixture
async def customer(hosted: Harness) -> Caller:
    """An account on the free plan of the commercial catalogue."""
    return Caller(hosted, await hosted.account())


@pytest.fixture
async def frugal(database: Database) -> AsyncIterator[Caller]:
    """An account that may read five times an hour, and discover four times a minute."""
    async with running(database, ServiceOptions(catalogue=FRUGAL)) as harness:
        yield Caller(harness, await harness.account())


@pytest.fixture
async def buyer(database: Database, pretend: PretendPayPal) -> AsyncIterator[Buyer]:
    """An account of a service that sells plans."""
    async with selling(database, pretend) as buyer:
        yield buyer
