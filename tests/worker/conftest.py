"""A real application for each test of the worker: in process, or a server and its clients."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from orchestrion import Orchestrion
from orchestrion.testing import LocalOrchestrion
from tests.e2e.serving import Served, serving
from tests.worker.commands import APP

ADDRESSES = itertools.count(1)


@pytest.fixture
def local() -> Iterator[LocalOrchestrion]:
    with LocalOrchestrion() as local:
        yield local


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    database = tmp_path_factory.mktemp("served") / "orchestrion.db"
    with serving(database, "--trusted-proxies", "127.0.0.1/32") as served:
        yield served


@pytest.fixture
def key(served: Served) -> str:
    """Register an account, each from an address of its own: registrations are limited by it."""
    headers = {"X-Forwarded-For": f"198.51.100.{next(ADDRESSES)}"}
    answer = httpx2.post(f"{served.url()}/v1/keys/register", headers=headers, trust_env=False)
    return str(answer.json()["apiKey"])


@pytest.fixture
def client(served: Served, key: str) -> Iterator[Orchestrion]:
    with Orchestrion(served.url(), key) as client:
        yield client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path
