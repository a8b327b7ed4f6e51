"""A real application in process for each test of the worker."""

from collections.abc import Iterator

import pytest

from orchestrion.testing import LocalOrchestrion


@pytest.fixture
def local() -> Iterator[LocalOrchestrion]:
    with LocalOrchestrion() as local:
        yield local
