import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrion import __version__
from orchestrion.settings import SETTINGS

SECONDS_MAX = 60


def orchestrion(
    *arguments: str, variables: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    clean = {name: text for name, text in os.environ.items() if not name.startswith("ORCHESTRION_")}
    return subprocess.run(
        [sys.executable, "-m", "orchestrion", *arguments],
        env=clean | (variables or {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS_MAX,
    )


def assert_one_line(run: subprocess.CompletedProcess[str], start: str) -> None:
    assert run.returncode == 2
    assert run.stdout == ""
    assert run.stderr.startswith(f"orchestrion: setting {start}")
    assert run.stderr.partition("\n")[2].startswith("next: orchestrion ")
    assert run.stderr.count("\n") == 2


def test_the_version_is_printed() -> None:
    run = orchestrion("version")

    assert (run.returncode, run.stdout, run.stderr) == (0, f"orchestrion {__version__}\n", "")


def test_the_version_waits_for_no_server_to_import() -> None:
    program = (
        "import sys\n"
        "from orchestrion.cli import main\n"
        "main(['version'], standalone_mode=False)\n"
        "print({'apsw', 'msgspec', 'rich', 'starlette', 'uvicorn'} & set(sys.modules))\n"
    )

    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert run.stdout.splitlines()[1] == "set()"


def test_the_help_of_serve_names_every_flag_and_variable() -> None:
    run = orchestrion("serve", "--help")

    assert run.returncode == 0
    text = " ".join(run.stdout.split())
    for setting in SETTINGS:
        # Command lines are public.
        assert (f"{setting.flag} TEXT" in text) is not setting.secret
        assert (f"[{setting.variable};" in text) is not setting.secret
    assert "--config FILE" in text


@pytest.mark.parametrize("name", [one.name for one in SETTINGS if not one.secret])
def test_a_wrong_flag_stops_the_start_with_one_line(name: str) -> None:
    setting = next(setting for setting in SETTINGS if setting.name == name)

    run = orchestrion("serve", setting.flag, "wrong?\n")

    assert_one_line(run, f"{name} ({setting.flag}) cannot be 'wrong?\\n': allowed is ")
    assert setting.kind.allowed in run.stderr


def test_a_wrong_variable_stops_the_start_with_one_line() -> None:
    run = orchestrion("serve", variables={"ORCHESTRION_PORT": "http"})

    assert_one_line(run, "port (ORCHESTRION_PORT) cannot be 'http': allowed is a whole number")


def test_a_wrong_file_stops_the_start_with_one_line(tmp_path: Path) -> None:
    config = tmp_path / "orchestrion.toml"
    config.write_text("prot = 80\n", encoding="utf-8")

    run = orchestrion("serve", variables={"ORCHESTRION_CONFIG": str(config)})

    assert_one_line(run, f"'prot' (file {str(config)!r}) is unknown: allowed is host, port, ")


@pytest.mark.parametrize("arguments", [("keys", "list"), ("db", "backup", "copy.db")])
def test_operator_commands_read_the_database_as_serve_does(arguments: tuple[str, ...]) -> None:
    run = orchestrion(*arguments, variables={"ORCHESTRION_DATABASE": "tasks.db"})

    assert_one_line(run, "database (ORCHESTRION_DATABASE) cannot be 'tasks.db': allowed is sqlite")


def test_an_unknown_flag_is_wrong_usage() -> None:
    run = orchestrion("serve", "--prot", "80")

    assert run.returncode == 2
    assert "No such option '--prot'" in run.stderr
