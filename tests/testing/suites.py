"""Test suites of others, each in a folder and a pytest of its own."""

import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.e2e.serving import PATIENCE_SECONDS, clean_variables

PLUGIN: Final = "orchestrion.testing.plugin"


class Suite:
    """A folder with tests in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, name: str, text: str) -> None:
        """Put a file there."""
        (self._folder / name).write_text(text, "utf-8")

    def run(self, *flags: str) -> str:
        """Run pytest with no plugins but ours and those named; gives what it said."""
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", PLUGIN, "-W", "error", *flags],
            cwd=self._folder,
            env={**clean_variables(), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        return ran.stdout + ran.stderr
