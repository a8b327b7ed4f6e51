"""The examples of docs/testing.md are a test suite that passes."""

import re
from pathlib import Path
from typing import Final

from tests.testing.suites import Suite

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "testing.md"
_BLOCK: Final = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_NAME: Final = re.compile(r"# (\w+\.py)\n")


def test_the_examples_pass(tmp_path: Path) -> None:
    suite = Suite(tmp_path)
    for language, text in _BLOCK.findall(DOCUMENT.read_text("utf-8")):
        named = _NAME.match(text)
        assert named or language == "toml", text
        suite.write(named[1] if named else "pyproject.toml", text)

    said = suite.run("-p", "anyio")

    assert "7 passed" in said, said
