"""Starts on a shared database: the first, several at once, and those that are refused."""

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx2
import pytest

from tests.databases import Databases
from tests.e2e.serving import PATIENCE_SECONDS, PROGRAM, Launch, Served, clean_variables, serving

PASSWORD = "hunter2"
REPLICAS = 3
# The program where the driver was not installed.
WITHOUT_DRIVER = """
import sys
sys.modules["asyncpg"] = None
from orchestrion.cli import main
main(sys.argv[1:])
"""


@pytest.fixture
def url(databases: Databases) -> str:
    """Give an empty database, with a password in its address, which the test server ignores."""
    parts = urlsplit(databases.postgres.bare())
    user, _, host = parts.netloc.rpartition("@")
    netloc = f"{user.partition(':')[0] or 'postgres'}:{PASSWORD}@{host}"
    return urlunsplit(parts._replace(netloc=netloc))


def launch(url: str) -> Launch:
    return Launch(arguments=("--port", "0", "--database", url, "--log-format", "json"))


def typed(*arguments: str, program: Sequence[str] = PROGRAM) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*program, *arguments],
        env=clean_variables(),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )


def welcomed(served: Served) -> bool:
    served.wait_until(lambda: "AGENTS.md" in served.stdout)
    return "orch_live_" in served.stdout


def one_line(run: subprocess.CompletedProcess[str]) -> str:
    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr.startswith("orchestrion: ")
    assert run.stderr.partition("\n")[2].startswith("next: orchestrion ")
    assert run.stderr.count("\n") == 2
    assert PASSWORD not in run.stderr
    return run.stderr


def test_the_first_start_sets_the_database_up_and_prints_a_curl_line_that_works(url: str) -> None:
    with serving(Path(), launch=launch(url)) as served:
        key = served.first_key()
        (line,) = (line for line in served.stdout.splitlines() if "curl" in line)
        pasted = subprocess.run(
            ["sh", "-c", line], capture_output=True, check=True, timeout=PATIENCE_SECONDS
        )

    with serving(Path(), launch=launch(url)) as again:
        headers = {"Authorization": f"Bearer {key}"}
        task = json.loads(pasted.stdout)
        found = httpx2.get(f"{again.url()}/v1/tasks/{task['id']}", headers=headers)
        assert not welcomed(again)

    assert found.json()["payload"] == task["payload"]
    shown = f"postgresql://{urlsplit(url).username}@{url.rpartition('@')[2]}"
    assert f"keeps its tasks in {shown}\n" in served.stdout
    for said in (served.stdout, served.log.decode(), again.stdout, again.log.decode()):
        assert PASSWORD not in said


def test_a_server_that_may_lose_work_is_told_of_in_the_log(url: str, databases: Databases) -> None:
    name = urlsplit(url).path.removeprefix("/")
    with databases.postgres.made() as database:
        database.execute(f"alter database {name} set synchronous_commit = off")

    with serving(Path(), launch=launch(url)) as served:
        served.url()
        served.wait_until(lambda: "synchronous_commit = off" in served.log.decode())

    (line,) = [line for line in served.lines if "synchronous_commit" in line.get("message", "")]
    assert (line["event"], line["level"]) == ("database_at_risk", "warning")


def test_of_several_first_starts_at_once_one_prints_a_key(url: str) -> None:
    with ExitStack() as stack:
        replicas = [
            stack.enter_context(serving(Path(), launch=launch(url))) for _ in range(REPLICAS)
        ]

        assert sum(welcomed(replica) for replica in replicas) == 1


def test_an_address_in_a_file_is_as_good(url: str, tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(url + "\n", "utf-8")
    variables = {"ORCHESTRION_DATABASE_FILE": str(file)}
    arguments = ("--port", "0", "--log-format", "json")

    with serving(Path(), launch=Launch(arguments=arguments, variables=variables)) as served:
        assert welcomed(served)


def test_keys_made_beside_a_server_work_at_once(url: str) -> None:
    with serving(Path(), launch=launch(url)) as served:
        address = served.url()
        key = typed("keys", "create", "--database", url).stdout.strip()

        answer = httpx2.get(f"{address}/v1/tasks", headers={"Authorization": f"Bearer {key}"})

    assert answer.status_code == 200


@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("keys", "list"), ("db", "status")])
def test_a_missing_driver_is_one_line_that_says_what_to_install(command: tuple[str, ...]) -> None:
    run = typed(
        *command,
        "--database",
        f"postgresql://me:{PASSWORD}@h/tasks",
        program=(sys.executable, "-c", WITHOUT_DRIVER),
    )

    line = one_line(run)
    assert "pip install 'orchestrion[postgres]'" in line
    assert ".venv/bin/pip install --require-hashes -r requirements/postgres.txt" in line


def test_a_file_needs_no_driver(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/tasks.db"

    assert (
        typed(
            "keys", "create", "--database", url, program=(sys.executable, "-c", WITHOUT_DRIVER)
        ).returncode
        == 0
    )


def test_a_database_that_is_not_there_is_one_line(url: str) -> None:
    missing = urlunsplit(urlsplit(url)._replace(path="/none"))

    run = typed("serve", "--port", "0", "--database", missing)

    assert 'database "none" does not exist' in one_line(run)


def test_a_start_that_waits_says_so_at_once() -> None:
    arguments = ("--port", "0", "--database", "postgresql://127.0.0.1:1/a", "--log-format", "json")
    with serving(Path(), launch=Launch(arguments=arguments)) as served:
        served.wait_until(lambda: bool(served.lines))
        (line,) = served.lines

    assert line["event"] == "waiting for the database"
    assert "127.0.0.1:1: ConnectionRefusedError" in line["message"]
    assert line["up_to_seconds"] == 20


def test_a_value_in_an_address_that_cannot_be_is_wrong_usage() -> None:
    run = typed("serve", "--port", "0", "--database", "postgresql://h/a?sslmode=requier")

    assert run.returncode == 2
    assert run.stderr.partition("\n")[2].startswith("next: orchestrion ")
    assert run.stderr.count("\n") == 2
    assert "its sslmode may be disable, allow, prefer, require" in run.stderr
