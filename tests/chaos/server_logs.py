"""What servers said while they were hurt: no secret, nothing of a caller, no bug of their own."""

import builtins
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec

# Faults of the world; whatever else is an error is a bug.
WORLD: Final = frozenset({"Unavailable", "Crowded", "Blocked", "Conflict", "Unknown"})
# An error that names no fault, for it tells of the world alone.
AWAY: Final = "database away"
# The session for wake-ups is kept by the driver: what ends it is told in the driver's words.
WAKEUPS: Final = "wakeups_lost"
ENDS_SESSIONS: Final = (
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    OSError,
)
ERRORS: Final = frozenset({"error", "critical"})
SECRETS: Final = re.compile(rb"orch_live_[0-9a-f]{64}|canary-a\d")

Json = dict[str, Any]


def complaints(folder: Path) -> list[str]:
    """Give each line that should not be in the logs of a run."""
    return [text for path in sorted(folder.glob("server-*.log")) for text in _of(path)]


def _of(path: Path) -> Iterator[str]:
    for line in path.read_bytes().splitlines(keepends=True):
        if SECRETS.search(line):
            hidden = SECRETS.sub(b"...", line)
            yield f"{path.name} shows what is secret: {_text(hidden)}"
        elif _is_bug(line):
            yield f"{path.name}: {_text(line)}"


def _is_bug(line: bytes) -> bool:
    try:
        said = msgspec.json.decode(line, type=Json)
    except msgspec.MsgspecError:
        # A killed server was in the middle of it; nobody else says anything but JSON.
        killed = line.startswith(b"{") and not line.endswith(b"\n")
        return bool(line.strip()) and not killed
    if said.get("level") not in ERRORS or said.get("event") == AWAY:
        return False
    fault = said.get("fault")
    return fault not in WORLD and not (said["event"] == WAKEUPS and _ends_sessions(str(fault)))


def _ends_sessions(fault: str) -> bool:
    kind = getattr(asyncpg, fault, None) or getattr(builtins, fault, None)
    return isinstance(kind, type) and issubclass(kind, ENDS_SESSIONS)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip()
