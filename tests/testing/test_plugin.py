"""The pytest plugin: what it gives, what it says, and how little it loads."""

import tomllib
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

import pytest

from tests.testing.suites import PLUGIN, Suite

ROOT: Final = Path(__file__).parents[2]
THEIRS: Final = "test_theirs.py"
ASYNC_TEST: Final = """
async def test_create(orchestrion):
    task = await orchestrion.client.tasks.create("summarize", {"url": "u"})
    assert (await orchestrion.client.tasks.get(task.id)).status == "pending"
"""
SYNC_TEST: Final = """
def test_create(orchestrion):
    task = orchestrion.sync_client.tasks.create("summarize", {"url": "u"})
    assert orchestrion.sync_client.tasks.get(task.id).status == "pending"
"""
MARKED_TEST: Final = f"""
import pytest

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.mark.anyio
{ASYNC_TEST.strip()}
"""
NOTHING_LOADED: Final = """
import sys

def test_nothing_is_loaded():
    ours = {name for name in sys.modules if name.partition(".")[0] == "orchestrion"}
    assert ours == {"orchestrion", "orchestrion.testing", "orchestrion.testing.plugin"}
    heavy = {"apsw", "httpx2", "msgspec", "prometheus_client", "starlette", "structlog", "uvicorn"}
    assert not heavy & set(sys.modules)
"""


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    suite = Suite(tmp_path)
    suite.write("pytest.ini", "[pytest]\n")
    return suite


@pytest.mark.parametrize(
    ("test", "flags"),
    [
        (SYNC_TEST, []),
        (ASYNC_TEST, ["-p", "anyio", "-o", "anyio_mode=auto"]),
        (MARKED_TEST, ["-p", "anyio", "--import-mode=importlib"]),
    ],
    ids=["sync", "auto", "marked"],
)
def test_the_fixture_gives_the_real_application(
    suite: Suite, test: str, flags: Sequence[str]
) -> None:
    suite.write(THEIRS, test)

    said = suite.run(*flags)

    assert "1 passed" in said, said


@pytest.mark.parametrize("flags", [["-p", "anyio"], []], ids=["strict", "none"])
def test_a_coroutine_that_nothing_runs_says_what_to_install(
    suite: Suite, flags: Sequence[str]
) -> None:
    suite.write(THEIRS, ASYNC_TEST)

    said = suite.run(*flags)

    assert "1 failed" in said, said
    assert "pip install pytest-asyncio" in said
    assert 'anyio_mode = "auto"' in said


def test_what_is_not_about_the_fixture_is_said_as_ever(suite: Suite) -> None:
    suite.write(THEIRS, "async def test_of_others(): ...\ndef test_wrong(): assert 1 == 2")

    said = suite.run()

    assert "2 failed" in said, said
    assert "not natively supported" in said
    assert "Orchestrion" not in said


def test_a_suite_that_does_not_use_the_fixture_loads_no_server(suite: Suite) -> None:
    suite.write(THEIRS, NOTHING_LOADED)

    said = suite.run()

    assert "1 passed" in said, said


def test_the_installed_package_names_the_plugin() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

    (name,) = project["entry-points"]["pytest11"].values()

    assert name == PLUGIN
    assert hasattr(import_module(name), "orchestrion_fixture")
