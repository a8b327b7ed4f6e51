"""The application behind a network that fails on demand, and a client of either kind."""

from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from orchestrion.client.retrying import RetryNote
from orchestrion.client.sync import Orchestrion
from tests.client import twins
from tests.client.application import Application, Host, Loop, Network, hosting
from tests.databases import SQLITE, Databases

TWINS = ("sync", "async")
Connect = Callable[..., Orchestrion]


@pytest.fixture(scope="module")
def host(databases: Databases) -> Iterator[Host]:
    """Run the application."""
    with databases.fresh(SQLITE) as database, hosting(database) as host:
        yield host


@pytest.fixture
def application(host: Host) -> Application:
    """Give an account of one's own, and a network."""
    return Application(host)


@pytest.fixture
def network(application: Application) -> Network:
    """Give the way from client to application."""
    return application.network


@pytest.fixture
def retries() -> list[RetryNote]:
    """Give the list of what the client repeated."""
    return []


@pytest.fixture(params=TWINS)
def connect(application: Application, request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Make clients of one kind; one that is async is made to block."""
    loop = Loop()
    made: list[Any] = []

    def make(**options: Any) -> Orchestrion:  # noqa: ANN401 - arguments of either client
        options = {"url": application.url, "api_key": application.account.key, **options}
        if request.param == "sync":
            made.append(Orchestrion(transport=application.bridge, **options))
        else:
            made.append(twins.opened(loop, transport=application.async_bridge, **options))
        # Pauses have tests of their own.
        made[-1].exchange.draw = lambda: 0.01
        return cast("Orchestrion", made[-1])

    yield make
    for client in made:
        client.close()
    loop.close()


@pytest.fixture
def client(connect: Connect, retries: list[RetryNote]) -> Orchestrion:
    """Give a client of either kind, which notes its repeats."""
    return connect(on_retry=retries.append)
