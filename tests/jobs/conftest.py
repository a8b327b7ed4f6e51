"""Fixtures for jobs that ask a pretend PayPal."""

from collections.abc import AsyncIterator

import pytest

from tests.databases import Database
from tests.engine.shops import Shop, selling
from tests.pretend_paypal import PretendPayPal


@pytest.fixture
async def shop(database: Database, pretend: PretendPayPal) -> AsyncIterator[Shop]:
    """Sell from an empty database."""
    async with selling(database, pretend) as shop:
        yield shop
