"""Fixtures that several folders of tests share, and how hypothesis draws in all of them."""

from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import settings

from tests.databases import KINDS, Database, Databases, Trouble
from tests.harness import Account, Harness, running

# The same everywhere, and never refused for a slow machine.
settings.register_profile("steady", deadline=None, derandomize=True, database=None, max_examples=60)
settings.load_profile("steady")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio."""
    return "asyncio"


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """Hand out databases; servers for them start when they are needed."""
    databases = Databases(tmp_path_factory.mktemp("databases"))
    yield databases
    databases.close()


@pytest.fixture(params=KINDS)
def database(databases: Databases, request: pytest.FixtureRequest) -> Iterator[Database]:
    """Lend an empty database of each kind in turn."""
    with databases.fresh(request.param) as database:
        if "trouble" in request.fixturenames:
            # What opens the database must do so where the trouble can reach it.
            assert database.trouble
        yield database


@pytest.fixture
def trouble(database: Database) -> Iterator[Trouble]:
    """Break the database for those who use it."""
    yield database.trouble
    database.trouble.heal()


@pytest.fixture
async def service(database: Database) -> AsyncIterator[Harness]:
    """Run the service on an empty database."""
    async with running(database) as harness:
        yield harness


@pytest.fixture
async def account(service: Harness) -> Account:
    """Register an account."""
    return await service.account()
