"""Exceptions as bounded text without the values of any variable."""

import re
from collections.abc import Iterator
from traceback import TracebackException

from orchestrion.observe.redaction import printable_lines

FRAMES_MAX = 50
PART_CHARS_MAX = 600
TRACEBACK_CHARS_MAX = 16_000
# Behind the first line of its message PostgreSQL quotes the row that it refused.
_QUOTED = re.compile(r"\n[ |]*(?:DETAIL|HINT|CONTEXT|QUERY):.*", re.DOTALL)


def traceback_text(error: BaseException) -> str:
    """The traceback with its causes; of a long one the end, which names the error.

    Messages of exceptions are cut, because foreign code may quote what it was given in them.
    """
    # Keys go before the cut: a cut must not leave a key's tail without its beginning.
    text = printable_lines("".join(_parts(error))).rstrip("\n")
    return text if len(text) <= TRACEBACK_CHARS_MAX else f"…{text[-TRACEBACK_CHARS_MAX:]}"


def _parts(error: BaseException) -> Iterator[str]:
    for part in TracebackException.from_exception(error, limit=-FRAMES_MAX, compact=True).format():
        said = _QUOTED.sub("\n", part)
        yield said if len(said) <= PART_CHARS_MAX else f"{said[:PART_CHARS_MAX]}…\n"
