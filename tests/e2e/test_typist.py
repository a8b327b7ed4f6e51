"""Whoever types the pages notices what does not work."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.pages import Block, blocks_of
from tests.e2e.typist import Typist

SERVER_THAT_IGNORES_THE_END = """\
import signal, sys, time

def end(number, frame):
    sys.exit(3)

signal.signal(signal.SIGTERM, end)
time.sleep(60)
# worker.run()
"""


def block(tag: str, text: str) -> Block:
    return Block(page="page.md", line=7, tag=tag, text=text)


@pytest.fixture
def typist(tmp_path: Path) -> Iterator[Typist]:
    typist = Typist(tmp_path / "folder", {"GREETING": "hello"}, [])
    yield typist
    typist.abandon()


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("sh", "false\ntrue\n"),
        ("sh", 'echo "$UNKNOWN"\n'),
        ("console", "$ true\nsome output\n$ false\n"),
        ("python", "1 / 0\n"),
        ("python", "import asyncio\n\nasyncio.run(None)\n"),
        ("python", "def test_wrong():\n    assert 1 == 2\n"),
        ("haskell", "main = undefined\n"),
    ],
)
def test_what_does_not_work_fails_and_tells_where(typist: Typist, tag: str, text: str) -> None:
    with pytest.raises(AssertionError, match=r"page\.md:7"):
        typist.type(block(tag, text), text, {})


def test_a_program_that_ends_badly_is_noticed_at_the_end(typist: Typist) -> None:
    text = SERVER_THAT_IGNORES_THE_END
    typist.type(block("python", text), text, {})

    with pytest.raises(AssertionError, match="3"):
        typist.leave()


def test_python_goes_on_where_the_page_left_it(typist: Typist) -> None:
    for text in (
        "# names.py\nimport os\n\nsaid = os.environ['GREETING']\n",
        "from pathlib import Path\n\nfrom names import said as again\n\nassert said == again\n",
        "Path('said').write_text(said)\n",
    ):
        typist.type(block("python", text), text, {})
    typist.leave()

    assert (typist.folder / "said").read_text("utf-8") == "hello"


def test_a_line_may_go_on_in_the_next(typist: Typist) -> None:
    text = "$ echo one \\\n> two > said\nanything\n$ . .venv/bin/activate\n"
    typist.type(block("console", text), text, {})

    assert (typist.folder / "said").read_text("utf-8") == "one two\n"


def test_blocks_know_where_they_stand() -> None:
    first, second, *_ = blocks_of("README.md")

    assert (first.tag, first.file_name) == ("python", "worker.py")
    assert second.text.startswith("from orchestrion import Orchestrion\n")
    assert first.line < second.line
