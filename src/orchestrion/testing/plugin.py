"""The pytest plugin: the fixture `orchestrion`. It imports next to nothing until it is used."""

import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from orchestrion.testing.local import LocalOrchestrion

NO_RUNNER: Final = (
    "{name} is a coroutine, and no plugin runs it. AnyIO's is installed with Orchestrion: set "
    'anyio_mode = "auto" in the configuration of pytest, or mark the test with '
    "@pytest.mark.anyio. Or: pip install pytest-asyncio, and mark it with @pytest.mark.asyncio."
)
# By what the plugins that run coroutines make themselves known.
RUNNER_MARKS: Final = ("anyio", "asyncio")
RUNNER_FIXTURES: Final = ("anyio_backend", "event_loop", "_function_event_loop")


@pytest.fixture
def orchestrion(request: pytest.FixtureRequest) -> "Iterator[LocalOrchestrion]":
    """Run the real application in this process, on an empty database, with a clock to move."""
    # The server is loaded for those alone who use it.
    from orchestrion.testing.local import LocalOrchestrion  # noqa: PLC0415

    refuse_without_runner(request.node)
    with LocalOrchestrion() as local:
        yield local


def refuse_without_runner(item: object) -> None:
    """Fail a coroutine that nothing would run, and say what to install."""
    if not isinstance(item, pytest.Function) or not inspect.iscoroutinefunction(item.function):
        return
    marked = any(item.get_closest_marker(name) for name in RUNNER_MARKS)
    if not marked and not set(RUNNER_FIXTURES).intersection(item.fixturenames):
        pytest.fail(NO_RUNNER.format(name=item.name), pytrace=False)
