"""All commands: their helps, their names in the list, their place on the page, their completion."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from orchestrion.cli import ABOUT, main
from tests.e2e.serving import PROGRAM

ROOT = Path(__file__).parents[2]
NAMES = (
    *("serve", "worker", "tasks", "dlq", "keys", "accounts", "plan", "plans", "stats", "top"),
    *("bench", "doctor", "openapi", "db", "init", "demo", "completion", "version"),
)
TASKS = (
    *("create", "list", "get", "watch", "tail", "claim", "complete", "fail", "heartbeat"),
    *("release", "cancel", "requeue", "explain"),
)


def paths(command: click.Command, *path: str) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            verb = command.get_command(context, name)
            assert verb
            yield from paths(verb, *path, name)


ALL = list(paths(main))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_has_a_help(path: tuple[str, ...]) -> None:
    for flag in ("--help", "-h"):
        result = CliRunner().invoke(main, [*path, flag])

        assert result.exit_code == 0
        assert result.stdout.startswith(" ".join(["Usage: orchestrion", *path]))
        assert len(result.stdout.splitlines()[2].strip()) > len("Print it.")


def test_every_option_has_a_help() -> None:
    silent = [
        (path, option.opts)
        for path in ALL
        for option in found(path).params
        if isinstance(option, click.Option) and not option.help
    ]

    assert silent == []


def found(path: tuple[str, ...]) -> click.Command:
    command: click.Command = main
    for name in path:
        assert isinstance(command, click.Group)
        below = command.get_command(click.Context(command), name)
        assert below
        command = below
    return command


def test_the_commands_are_these() -> None:
    assert set(ABOUT) == set(NAMES)
    assert {path[1] for path in ALL if path[:1] == ("tasks",) and path[1:]} == set(TASKS)


def test_plan_and_plans_say_which_is_which() -> None:
    assert "see `orchestrion plans`" in (found(("plan",)).help or "")
    assert "see `orchestrion plan`" in (found(("plans",)).help or "")


@pytest.mark.parametrize("command", ["--help", "version", "tasks --help"])
def test_starting_imports_no_server(command: str) -> None:
    heavy = "uvicorn starlette apsw structlog orchestrion.settings orchestrion.store"
    code = (
        "import sys\nfrom orchestrion.cli import main\n"
        f"main({command.split()!r}, standalone_mode=False)\n"
        f"sys.exit(sorted(set({heavy.split()!r}) & set(sys.modules)) and str(sys.modules) or 0)"
    )

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, text=True)

    assert run.returncode == 0, run.stderr[:300]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_script(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])

    assert result.exit_code == 0
    assert "_ORCHESTRION_COMPLETE" in result.stdout
    assert result.stderr.startswith(f"next: orchestrion completion {shell} > ")


def test_the_script_knows_the_commands() -> None:
    run = subprocess.run(
        PROGRAM,
        env={
            "_ORCHESTRION_COMPLETE": "bash_complete",
            "COMP_WORDS": "orchestrion tasks re",
            "COMP_CWORD": "2",
            "PYTHONPATH": f"{ROOT / 'src'}",
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.stdout.splitlines() == ["plain,release", "plain,requeue"]


def test_the_page_names_every_command_and_option() -> None:
    page = (ROOT / "docs" / "cli.md").read_text("utf-8")

    for path in ALL:
        assert not path or f" {' '.join(path)}\n" in page


@pytest.mark.parametrize(
    ("typed", "next_step"),
    [
        ("taks", "orchestrion tasks --help"),
        ("tasks lst", "orchestrion tasks list --help"),
        ("zzz", "orchestrion --help"),
    ],
)
def test_a_mistyped_command_is_told_what_was_meant(typed: str, next_step: str) -> None:
    answer = CliRunner().invoke(main, typed.split())

    assert answer.exit_code == 2
    assert answer.stderr.endswith(f"next: {next_step}\n")
