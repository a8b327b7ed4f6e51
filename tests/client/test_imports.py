"""What a user's process loads, and what it does not."""

import subprocess
import sys

import pytest

SERVER = (
    *("apsw", "asyncpg", "starlette", "structlog", "uvicorn", "uvloop", "httptools", "sqlite3"),
    *("click", "rich", "markdown_it"),
    *(
        f"orchestrion.{name}"
        for name in ("api", "cli", "core", "engine", "jobs", "main", "observe", "payments")
    ),
    *(f"orchestrion.{name}" for name in ("service", "settings", "store", "supervisor", "testing")),
)


def loaded_by(program: str) -> set[str]:
    """Run a program in a process of its own; gives the modules it has loaded."""
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def of_the_server(modules: set[str]) -> set[str]:
    """Give those that belong to a server."""
    return {
        module
        for module in modules
        if any(module == name or module.startswith(f"{name}.") for name in SERVER)
    }


@pytest.mark.parametrize(
    "program",
    [
        "from orchestrion import Orchestrion, AsyncOrchestrion, Task, LeaseExpired",
        "import orchestrion.worker",
        "from orchestrion import Worker, Context, Retry, OutputRef, Backoff",
    ],
)
def test_the_client_and_the_worker_load_no_server(program: str) -> None:
    assert of_the_server(loaded_by(program)) == set()


def test_the_package_alone_loads_next_to_nothing() -> None:
    loaded = loaded_by("import orchestrion; orchestrion.__version__")

    assert {name for name in loaded if name.startswith("orchestrion")} == {"orchestrion"}
    assert not loaded & {"httpx2", "msgspec", "asyncio", "logging"}


def test_all_that_is_promised_can_be_had() -> None:
    loaded_by("import orchestrion\nfor name in orchestrion.__all__: getattr(orchestrion, name)")


@pytest.mark.parametrize(
    "name",
    [
        *("Checkout", "Explanation", "Health", "Plan", "PlanStatus", "RegisteredKey", "Stats"),
        *("Outcome", "Verification"),
    ],
)
def test_what_the_operations_give_has_its_type_at_the_top(name: str) -> None:
    loaded_by(f"from orchestrion import {name}")


def test_what_is_not_there_is_no_attribute() -> None:
    loaded_by("import orchestrion; assert not hasattr(orchestrion, 'Nothing')")
    loaded_by("import orchestrion; assert set(orchestrion.__all__) <= set(dir(orchestrion))")
