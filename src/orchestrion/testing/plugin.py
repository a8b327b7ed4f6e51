"""The pytest plugin: the fixture `orchestrion`. It imports next to nothing until it is used."""

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from orchestrion.testing.local import LocalOrchestrion

FIXTURE: Final = "orchestrion"
NO_RUNNER: Final = (
    "AnyIO's plugin is installed with Orchestrion: set "
    'anyio_mode = "auto" in the configuration of pytest, or mark the test with '
    "@pytest.mark.anyio. Or: pip install pytest-asyncio, and mark it with @pytest.mark.asyncio."
)
# What pytest says of a coroutine that no plugin runs.
NOT_RUN: Final = "not natively supported"


@pytest.fixture(name=FIXTURE)
def orchestrion_fixture() -> "Iterator[LocalOrchestrion]":
    """Run the real application in this process, on an empty database, with a clock to move."""
    # The server is loaded for those alone who use it.
    from orchestrion.testing.local import LocalOrchestrion  # noqa: PLC0415

    with LocalOrchestrion() as local:
        yield local


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Say what to install where a test of ours is a coroutine that nothing runs."""
    try:
        return (yield)
    except pytest.fail.Exception as error:
        said = str(error)
        if FIXTURE not in pyfuncitem.fixturenames or NOT_RUN not in said:
            raise
        pytest.fail(f"{said}\n{NO_RUNNER}", pytrace=False)
