"""The lines that the documents tell people to paste do what is said of them."""

import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.e2e.serving import PATIENCE_SECONDS, clean_variables, serving

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


class Examples(msgspec.Struct, frozen=True, kw_only=True):
    """Where the lines stand, and what they come to: errors that they show, and the tasks left."""

    file: str
    errors: Sequence[str] = ()
    left: Sequence[str]


README = Examples(file="README.md", left=["cancelled", "completed", "completed"])
GUIDE = Examples(
    file="src/orchestrion/documents/AGENTS.md",
    # A cancel of what is claimed, then a checkout and its end, which this release does not have.
    errors=["task_currently_claimed", "server_error", "invalid_request"],
    left=["cancelled", *["claimed"] * 4, *["completed"] * 3],
)


def lines_of(file: str) -> str:
    """Gather what is pasted into the one shell that talks to a server."""
    blocks = _BLOCK.findall((ROOT / file).read_text("utf-8"))
    return "".join(block for block in blocks if "$ORCHESTRION_URL" in block)


def answers_in(printed: str) -> list[dict[str, Any]]:
    """Read every answer that was printed, one after the other."""
    found: list[dict[str, Any]] = []
    decoder, at = json.JSONDecoder(), 0
    while printed[at:].strip():
        at = printed.index("{", at)
        answer, at = decoder.raw_decode(printed, at)
        found.append(answer)
    return found


@pytest.mark.parametrize("examples", [README, GUIDE], ids=lambda one: one.file)
def test_the_examples_work_as_pasted(examples: Examples, tmp_path: Path) -> None:
    with serving(tmp_path / "orchestrion.db") as served:
        script = lines_of(examples.file).replace("http://127.0.0.1:8080", served.url())
        pasted = subprocess.run(
            ["sh", "-e", "-u"],
            input=script + 'curl -sS -H "Authorization: Bearer $ORCHESTRION_KEY" '
            '"$ORCHESTRION_URL/v1/tasks?limit=100"\n',
            env=clean_variables(),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )

    assert (pasted.returncode, pasted.stderr) == (0, "")
    answers = answers_in(pasted.stdout)
    assert [one["error"] for one in answers if "error" in one] == list(examples.errors)
    assert sorted(task["status"] for task in answers[-1]["items"]) == examples.left
