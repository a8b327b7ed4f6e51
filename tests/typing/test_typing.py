"""What type checkers say of the public API: nothing of right uses, something of wrong ones."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MARK = "# wrong"

Check = Callable[[Path, Path], list[int]]


def marked() -> list[int]:
    """Give the numbers of the lines that must be refused."""
    lines = (HERE / "wrong.txt").read_text().splitlines()
    return [number for number, line in enumerate(lines, 1) if line.endswith(MARK)]


def mypy(path: Path, folder: Path) -> list[int]:
    """Have mypy read a file strictly; gives the lines it refuses, of whatever file."""
    cache = str(folder / "cache")
    command = ["-m", "mypy", "--strict", "--cache-dir", cache, "--output", "json", str(path)]
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "MYPYPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return sorted({error["line"] for error in found if error["severity"] == "error"})


def pyright(path: Path, folder: Path) -> list[int]:
    """Have pyright read a file strictly; gives the lines it refuses."""
    settings = {
        "include": [path.name],
        "extraPaths": [str(ROOT / "src")],
        "typeCheckingMode": "strict",
        "pythonVersion": "3.11",
    }
    project = folder / "pyrightconfig.json"
    project.write_text(json.dumps(settings))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pyright", "--outputjson"),
            *("--project", str(project), "--pythonpath", sys.executable),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    told = json.loads(done.stdout)
    assert told["summary"]["filesAnalyzed"] > 0
    errors = [one for one in told["generalDiagnostics"] if one["severity"] == "error"]
    return sorted({error["range"]["start"]["line"] + 1 for error in errors})


CHECKERS = pytest.mark.parametrize("check", [mypy, pyright])


def placed(name: str, folder: Path) -> Path:
    """Put a file where the checkers read it: pyright reads nothing beside its settings' folder."""
    path = folder / "uses.py"
    path.write_bytes((HERE / name).read_bytes())
    return path


@CHECKERS
def test_right_uses_are_right(check: Check, tmp_path: Path) -> None:
    assert check(placed("api.py", tmp_path), tmp_path) == []


@CHECKERS
def test_wrong_uses_are_refused(check: Check, tmp_path: Path) -> None:
    assert check(placed("wrong.txt", tmp_path), tmp_path) == marked()
