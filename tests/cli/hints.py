"""The command that stderr ends with."""

import re
import shlex

_NEXT = re.compile(r"^next: (?:in \d+ s: )?orchestrion (.+)$")


def next_command(stderr: str) -> list[str]:
    """Read the words to type next; every character of them is typed as it stands."""
    last = stderr.rstrip("\n").rpartition("\n")[2]
    found = _NEXT.match(last)
    assert found, stderr
    return shlex.split(found[1])
