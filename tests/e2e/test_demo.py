"""The demonstration as a stranger runs it: a process, its output, its exit status."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

LONG = "# Long\n\n" + "word " * 500 + "\n\n[home](https://example.com/) <https://example.com/>\n"
HIDDEN = "# Hidden\n\nMust not be counted.\n"
CONTROL_CODES = re.compile(r"[^\n\x20-\x7e\N{REPLACEMENT CHARACTER}]")


FILES = {
    "README.md": "Title\n=====\n\nOne two three.\n",
    "long.md": LONG,
    "notes/escape\x1b[31m.markdown": "# \x1b[31mRed\n\nFour words stand here.\n",
    "notes/empty.md": "",
    "notes/other.txt": HIDDEN,
    ".hidden/secret.md": HIDDEN,
    ".venv/library.md": HIDDEN,
    "environment/pyvenv.cfg": "",
    "environment/library.md": HIDDEN,
}


class Run(msgspec.Struct, frozen=True, kw_only=True):
    status: int
    output: str
    errors: str
    left_behind: list[Path]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return filled(tmp_path / "documents")


@pytest.fixture
def temporary(tmp_path: Path) -> Iterator[Path]:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    yield temporary
    assert list(temporary.iterdir()) == []


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Let it play once for all tests: it takes as long as the shortest lease does."""
    temporary = tmp_path_factory.mktemp("temporary")
    process = demo(filled(tmp_path_factory.mktemp("documents")), temporary)
    output, errors = process.communicate(timeout=180)
    left_behind = list(temporary.iterdir())
    return Run(status=process.returncode, output=output, errors=errors, left_behind=left_behind)


def filled(folder: Path) -> Path:
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return folder


def demo(folder: Path, temporary: Path) -> subprocess.Popen[str]:
    """Start it among variables that must not reach its own server, or come between processes."""
    strange = {
        "ORCHESTRION_PORT": "wrong",
        "ORCHESTRION_REGISTRATION": "closed",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "FORCE_COLOR": "1",
        "TMPDIR": str(temporary),
        "PYTHONIOENCODING": "utf-8",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "orchestrion", "demo", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env={**os.environ, **strange},
    )


def until(process: subprocess.Popen[str], part: str) -> list[str]:
    """Read lines up to one with this part; the demonstration's own deadline bounds the wait."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if part in line:
            return lines
    raise AssertionError("".join(lines))


def assert_ended(process_ids: list[str]) -> None:
    for process_id in process_ids:
        with pytest.raises(ProcessLookupError):
            os.kill(int(process_id), 0)


@pytest.mark.slow
def test_everything_goes_as_promised(run: Run) -> None:
    assert (run.status, run.errors, run.left_behind) == (0, "", []), run.output
    assert run.output.count("\n  kept: ") == 5
    assert "\n  broken: " not in run.output


@pytest.mark.slow
def test_the_story_is_told_in_plain_lines(run: Run) -> None:
    assert CONTROL_CODES.search(run.output) is None
    assert "5 tasks created: one for each of 4 Markdown files" in run.output
    assert re.search(r"worker-\d was killed with SIGKILL in the middle of long\.md", run.output)
    assert re.search(r"the lease of worker-\d on long\.md ends in 10 s", run.output)
    assert "to-be-written.md has failed in 2 attempts of 2 and is in dead_letter" in run.output
    assert "to-be-written.md was written and its task requeued" in run.output


@pytest.mark.slow
def test_the_last_lines_are_the_results(run: Run) -> None:
    results = run.output[run.output.index("\nResults\n") :]

    assert "  5 files\n  548 words\n  4 headings\n  3 links\n" in results
    assert "      503  long.md\n" in results
    assert "        3  https://example.com/\n" in results
    assert "Hidden" not in results


@pytest.mark.slow
def test_every_attempt_of_the_interesting_tasks_is_told(run: Run) -> None:
    long, absent = re.findall(r"Attempts of .*\n((?:  .*\n)+)", run.output)

    first, second = long.splitlines()
    assert re.fullmatch(r"  1  worker-\d  lease [\d:]+ to [\d:]+  killed with SIGKILL .*", first)
    assert re.fullmatch(r"  2  worker-\d  lease [\d:]+ to [\d:]+  completed: 503 words, .*", second)
    assert first[5:13] != second[5:13]
    endings = [line.split("  ")[-1].strip() for line in absent.splitlines()]
    assert endings == [
        "failed: No such file or directory; then pending",
        "failed: No such file or directory; then dead_letter",
        "the cause was mended, the task requeued",
        "completed: 36 words, 1 heading, 1 link",
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whoever_stops_it_finds_nothing_left_behind(
    folder: Path, temporary: Path, number: signal.Signals
) -> None:
    process = demo(folder, temporary)
    lines = until(process, "three workers started")

    process.send_signal(number)
    process.communicate(timeout=60)

    assert process.returncode == 128 + number
    process_ids = re.findall(r"process (\d+)", "".join(lines))
    assert len(process_ids) == 4
    assert_ended(process_ids)


def test_a_folder_without_markdown_is_refused_with_one_line(temporary: Path) -> None:
    process = demo(temporary, temporary)
    output, errors = process.communicate(timeout=60)

    assert (process.returncode, output) == (1, "")
    assert errors == (
        f"orchestrion: there is no Markdown file below {temporary}\nnext: orchestrion demo --help\n"
    )


def test_a_server_that_dies_is_told_with_one_line(folder: Path, temporary: Path) -> None:
    process = demo(folder, temporary)
    server = re.findall(r"process (\d+)", until(process, "three workers started")[0])

    os.kill(int(server[0]), signal.SIGKILL)
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 1
    assert re.fullmatch(r"orchestrion: (a request failed|worker-\d ended): .*\nnext: .*\n", errors)
