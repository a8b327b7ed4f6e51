"""Fixtures that several folders of tests share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.harness import Account, Harness, running


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
