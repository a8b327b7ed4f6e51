import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrion import Orchestrion
from orchestrion.cli.init_texts import SECTION_BEGIN, SECTION_END
from tests.cli.callers import NOWHERE, Caller, calling
from tests.e2e.pages import Block
from tests.e2e.serving import PATIENCE_SECONDS, clean_variables
from tests.e2e.typist import Typist

FILES = (".env", ".gitignore", "AGENTS.md", "worker.py")
NO_KEY = {"ORCHESTRION_API_KEY": ""}


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with calling(tmp_path_factory.mktemp("served")) as caller:
        yield caller


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "project"


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def settings_in(folder: Path) -> dict[str, str]:
    """Read the settings as a shell does."""
    script = '. ./.env; printf \'%s\\n%s\' "$ORCHESTRION_URL" "$ORCHESTRION_API_KEY"'
    said = subprocess.run(
        ["sh", "-eu", "-c", script], cwd=folder, capture_output=True, text=True, check=True
    )
    url, key = said.stdout.split("\n")
    return {"url": url, "key": key}


# --- what is written


def test_four_files_are_written(caller: Caller, folder: Path) -> None:
    said = caller.json("init", str(folder))

    assert tuple(contents(folder)) == FILES
    assert said["files"] == dict.fromkeys(FILES, "written")
    assert said["has_key"] is True


def test_the_key_that_one_has_is_used(caller: Caller, folder: Path) -> None:
    caller.json("init", str(folder))

    assert settings_in(folder) == {"url": caller.url, "key": caller.key}


def test_without_a_key_one_is_registered(caller: Caller, folder: Path) -> None:
    caller.json("init", str(folder), **NO_KEY)

    key = settings_in(folder)["key"]
    assert key.startswith("orch_live_")
    assert key != caller.key
    with Orchestrion(caller.url, key) as client:
        assert client.plan.show().tasks_created_this_cycle == 0


def test_nobody_else_can_read_the_key(caller: Caller, folder: Path) -> None:
    before = os.umask(0)
    try:
        caller.json("init", str(folder))
    finally:
        os.umask(before)

    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600


def test_the_key_is_not_printed(caller: Caller, folder: Path) -> None:
    result = caller.types("init", str(folder), **NO_KEY)

    assert settings_in(folder)["key"] not in result.output


def test_the_files_are_shown_on_a_terminal(caller: Caller, folder: Path) -> None:
    shown = caller.sees("init", str(folder))

    assert [line.split()[:2] for line in shown.splitlines()[1:]] == [
        ["worker.py", "written"],
        [".env", "written"],
        [".gitignore", "written"],
        ["AGENTS.md", "written"],
    ]


# --- without a server, or one that gives no key


def test_without_a_server_there_is_a_place_for_the_key(caller: Caller, folder: Path) -> None:
    result = caller.types("init", str(folder), "--url", NOWHERE, **NO_KEY)

    assert result.exit_code == 0, result.output
    assert settings_in(folder) == {"url": NOWHERE, "key": ""}
    assert f"orchestrion keys register --url={NOWHERE}" in (folder / ".env").read_text("utf-8")
    assert f"next: orchestrion keys register --url={NOWHERE}" in result.stderr


def test_where_registration_is_closed_there_is_a_place_for_the_key(tmp_path: Path) -> None:
    with calling(tmp_path, "--registration", "closed") as caller:
        result = caller.types("init", str(tmp_path / "project"), **NO_KEY)

    assert result.exit_code == 0, result.output
    assert settings_in(tmp_path / "project")["key"] == ""
    assert "Registration is closed" in result.stderr


# --- what is there


def test_a_second_run_changes_nothing(caller: Caller, folder: Path) -> None:
    caller.json("init", str(folder), **NO_KEY)
    first = contents(folder)

    said = caller.json("init", str(folder), **NO_KEY)

    assert contents(folder) == first
    assert set(said["files"].values()) == {"kept"}


@pytest.mark.parametrize("name", ["worker.py", ".env"])
def test_a_file_that_is_there_is_kept(caller: Caller, folder: Path, name: str) -> None:
    folder.mkdir()
    (folder / name).write_text("mine\n", "utf-8")

    said = caller.json("init", str(folder))

    assert (folder / name).read_text("utf-8") == "mine\n"
    assert said["files"][name] == "kept"
    assert tuple(contents(folder)) == FILES


@pytest.mark.parametrize(
    ("there", "after"),
    [
        ("build/\n", "build/\n.env\n"),
        ("build/", "build/\n.env\n"),
        ("/.env\n", "/.env\n"),
        (".env\n", ".env\n"),
        (".env.local\n", ".env.local\n.env\n"),
    ],
)
def test_the_settings_are_kept_out_of_git(
    caller: Caller, folder: Path, there: str, after: str
) -> None:
    folder.mkdir()
    (folder / ".gitignore").write_text(there, "utf-8")

    said = caller.json("init", str(folder))

    assert (folder / ".gitignore").read_text("utf-8") == after
    assert said["files"][".gitignore"] == ("kept" if there == after else "appended")


def test_force_writes_it_anew(caller: Caller, folder: Path) -> None:
    caller.json("init", str(folder))
    first = contents(folder)
    (folder / "worker.py").write_text("mine\n", "utf-8")
    (folder / ".env").write_text("mine\n", "utf-8")
    (folder / ".env").chmod(0o644)

    caller.json("init", str(folder), "--force")

    assert contents(folder) == first
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600


@pytest.mark.parametrize("there", ["# Ours\n", "# Ours", "# Ours\n\n"])
def test_a_guide_that_is_there_gets_a_part_once(caller: Caller, folder: Path, there: str) -> None:
    folder.mkdir()
    guide = folder / "AGENTS.md"
    guide.write_text(there, "utf-8")

    assert caller.json("init", str(folder))["files"]["AGENTS.md"] == "appended"
    once = guide.read_text("utf-8")
    assert once.startswith(f"# Ours\n\n{SECTION_BEGIN}\n")
    assert once.endswith(f"{SECTION_END}\n")

    caller.json("init", str(folder))
    assert guide.read_text("utf-8") == once


def test_force_writes_only_its_own_part_of_the_guide_anew(caller: Caller, folder: Path) -> None:
    folder.mkdir()
    guide = folder / "AGENTS.md"
    guide.write_text(f"# Ours\n\n{SECTION_BEGIN}\nold\n{SECTION_END}\n\n## More\n", "utf-8")

    caller.json("init", str(folder), "--force")

    text = guide.read_text("utf-8")
    assert text.startswith(f"# Ours\n\n{SECTION_BEGIN}\n## Background tasks")
    assert text.endswith(f"{SECTION_END}\n\n## More\n")
    assert "old" not in text


def test_a_folder_that_cannot_be_made_is_refused(caller: Caller, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")

    result = caller.types("init", str(tmp_path / "file" / "project"))

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("orchestrion: cannot write to ")


# --- it runs


@contextmanager
def working(folder: Path) -> Iterator[None]:
    """Run the worker that was written, as its guide says, until the block ends."""
    script = f"set -a; . ./.env; set +a; exec '{sys.executable}' -W error worker.py"
    process = subprocess.Popen(["sh", "-eu", "-c", script], cwd=folder, env=clean_variables())
    try:
        yield
        process.terminate()
        assert process.wait(PATIENCE_SECONDS) == 0
    finally:
        process.kill()
        process.wait(PATIENCE_SECONDS)


def test_the_worker_that_was_written_works(caller: Caller, folder: Path) -> None:
    caller.json("init", str(folder), **NO_KEY)
    settings = settings_in(folder)

    with working(folder), Orchestrion(settings["url"], settings["key"]) as client:
        task = client.tasks.create("hello", {"name": "Ada"})
        done = client.tasks.wait(task.id, timeout=PATIENCE_SECONDS)

    assert (done.status, done.result) == ("completed", {"greeting": "Hello, Ada!"})


def test_the_commands_of_the_guide_work(caller: Caller, folder: Path) -> None:
    caller.json("init", str(folder))
    text = (folder / "AGENTS.md").read_text("utf-8")
    lines = text.split("```sh\n")[1].split("```")[0].splitlines(keepends=True)
    typed = Block(page="AGENTS.md", line=1, tag="console", text="".join(f"$ {x}" for x in lines))
    typist = Typist(folder, caller.variables, [])

    try:
        typist.type(typed, typed.text, {})
        typist.leave()
    finally:
        typist.abandon()
