"""What servers said while they were hurt: no secret, nothing of a caller, no bug of their own."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

# Faults of the world; any other that fails a request or a job is a bug.
WORLD: Final = frozenset({"Unavailable", "Blocked", "Conflict", "Unknown"})
SECRETS: Final = re.compile(rb"orch_live_[0-9a-f]{64}|canary-a\d")
FAILED: Final = "_failed"


def complaints(folder: Path) -> list[str]:
    """Give each line that should not be in the logs of a run."""
    return [text for path in sorted(folder.glob("server-*.log")) for text in _of(path)]


def _of(path: Path) -> Iterator[str]:
    for line in path.read_bytes().split(b"\n"):
        if SECRETS.search(line):
            yield f"{path.name} shows what is secret: {SECRETS.sub(b'...', line).decode()}"
        elif line.startswith(b"{") and _is_bug(line):
            yield f"{path.name}: {line.decode()}"


def _is_bug(line: bytes) -> bool:
    try:
        said: dict[str, Any] = msgspec.json.decode(line)
    except msgspec.DecodeError:
        # A killed server was in the middle of it.
        return False
    return str(said.get("event", "")).endswith(FAILED) and said.get("fault") not in WORLD
