"""Fixtures for tests of the writer, and of what sells with it, on a real database."""

from collections.abc import AsyncIterator

import pytest

from tests.databases import Database
from tests.engine.engines import Engine, running_engine
from tests.engine.shops import IMPATIENT, Shop, selling
from tests.pretend_paypal import PretendPayPal


@pytest.fixture
async def engine(database: Database) -> AsyncIterator[Engine]:
    """Run a writer on an empty database."""
    async with running_engine(database) as engine:
        yield engine


@pytest.fixture
async def shop(database: Database, pretend: PretendPayPal) -> AsyncIterator[Shop]:
    """Sell from an empty database."""
    async with selling(database, pretend) as shop:
        yield shop


@pytest.fixture
async def hurried(database: Database, pretend: PretendPayPal) -> AsyncIterator[Shop]:
    """Sell without waiting long for what is held."""
    async with selling(database, pretend, IMPATIENT) as shop:
        yield shop
