"""Points in time: integer milliseconds since the epoch inside, RFC 3339 text on the wire."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NewType

Instant = NewType("Instant", int)

SECOND = 1_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR

_RFC3339 = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d+))?"
    r"(?:([Zz])|([+-])(\d{2}):(\d{2}))",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MINUTE_SECOND = 59
_LAST_OFFSET_HOUR = 23


# The tasks of one batch share their instants, and the agents that read them come soon after.
@lru_cache(maxsize=4096)
def format_instant(instant: Instant) -> str:
    """Write an instant as UTC with milliseconds and `Z`."""
    second, millisecond = divmod(instant, SECOND)
    text = (_EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{millisecond:03d}Z"


def parse_instant(text: str) -> Instant | None:
    """Read RFC 3339 text with an offset; anything else is None. Digits past the millisecond go."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.group(1, 2, 3, 4, 5, 6))
    # A leap second is legal text; it counts as the last representable second of its minute.
    second = min(second, _LAST_MINUTE_SECOND) if second == _LAST_MINUTE_SECOND + 1 else second
    offset = _offset_ms(match)
    if offset is None:
        return None
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    millisecond = int((match.group(7) or "0").ljust(3, "0")[:3])
    seconds = (moment - _EPOCH) // timedelta(seconds=1)
    return Instant(seconds * SECOND + millisecond - offset)


def _offset_ms(match: re.Match[str]) -> int | None:
    if match.group(8):
        return 0
    hours, minutes = int(match.group(10)), int(match.group(11))
    if hours > _LAST_OFFSET_HOUR or minutes > _LAST_MINUTE_SECOND:
        return None
    return (hours * 60 + minutes) * 60 * SECOND * (-1 if match.group(9) == "-" else 1)


def seconds_until(instant: Instant, now: Instant) -> int:
    """Whole seconds from now until the instant, rounded up and at least 1: what a caller waits."""
    return max(1, -((now - instant) // SECOND))


def seconds_left(instant: Instant, now: Instant) -> int:
    """Whole seconds from now until the instant, rounded down and never negative."""
    return max(0, (instant - now) // SECOND)
