"""Someone at the command line with a server and a key."""

import json
import os
import pty
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from orchestrion.cli import main
from tests.e2e.serving import PATIENCE_SECONDS, PROGRAM, clean_variables, serving

NOWHERE = "http://127.0.0.1:1"


class Caller:
    """Types commands where url and key are set as variables."""

    def __init__(self, url: str, key: str, folder: Path) -> None:
        self.url = url
        self.key = key
        self.folder = folder
        self.database = folder / "tasks.db"
        self.variables = {
            "ORCHESTRION_URL": url,
            "ORCHESTRION_API_KEY": key,
            "XDG_CONFIG_HOME": str(folder),
        }

    def types(self, *arguments: str, **variables: str) -> Result:
        """Type a command, off a terminal."""
        env = {name: None for name in os.environ if "ORCHESTRION" in name}
        return CliRunner().invoke(main, arguments, env={**env, **self.variables, **variables})

    def json(self, *arguments: str, **variables: str) -> dict[str, Any]:
        """Type a command that goes well, and read the object it prints."""
        result = self.types(*arguments, **variables)
        assert result.exit_code == 0, result.output
        return dict(json.loads(result.stdout))

    def sees(self, *arguments: str) -> str:
        """Type a command on a terminal, and give what stands there at its end."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [*PROGRAM, *arguments],
            env={**clean_variables(), **self.variables, "TERM": "dumb", "COLUMNS": "160"},
            stdin=theirs,
            stdout=theirs,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs)
        shown = bytearray()
        try:
            while piece := os.read(ours, 1 << 16):
                shown += piece
        except OSError:
            # The other end is closed: that is how a terminal's end is told.
            pass
        finally:
            os.close(ours)
        process.wait(PATIENCE_SECONDS)
        return shown.decode().replace("\r\n", "\n")


@contextmanager
def calling(folder: Path, *flags: str) -> Iterator[Caller]:
    """Serve in a folder, and give who has the first key of it."""
    with serving(folder / "tasks.db", *flags) as served:
        yield Caller(served.url(), served.first_key(), folder)
