"""Fixtures that several folders of tests share, and how hypothesis draws in all of them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.harness import Account, Harness, running

# The same everywhere, and never refused for a slow machine.
settings.register_profile("steady", deadline=None, derandomize=True, database=None, max_examples=60)
settings.load_profile("steady")


@pytest.fixture
def anyio_backend() -> str:
    """Run async tests on asyncio."""
    return "asyncio"


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Harness]:
    """Run the service on a new file."""
    async with running(tmp_path / "orchestrion.db") as harness:
        yield harness


@pytest.fixture
async def account(service: Harness) -> Account:
    """Register an account."""
    return await service.account()
