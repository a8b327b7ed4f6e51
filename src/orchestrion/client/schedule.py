"""When a task may first be claimed, in the ways a caller may say it."""

import re
from datetime import UTC, datetime, timedelta

# An aware instant, a time from now, or a text such as "+90s", "+15m", "+2h", "+1d".
RunAt = datetime | timedelta | str

_RELATIVE = re.compile(r"\+(\d{1,9})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def instant_text(run_at: RunAt, now: datetime) -> str:
    """Give the instant as the API wants it. Raises ValueError for what names no instant."""
    try:
        return _text(_moment(run_at, now))
    except OverflowError as error:
        raise ValueError(
            f"run_at {run_at!s} is in no calendar: say a time that is near."
        ) from error


def _moment(run_at: RunAt, now: datetime) -> datetime:
    if isinstance(run_at, timedelta):
        return now + run_at
    if isinstance(run_at, datetime):
        return run_at
    if relative := _RELATIVE.fullmatch(run_at):
        return now + timedelta(**{_UNITS[relative[2]]: int(relative[1])})
    return _absolute(run_at)


def _absolute(written: str) -> datetime:
    try:
        return datetime.fromisoformat(written)
    except ValueError as error:
        raise ValueError(
            f"run_at {written!r} is no time: write '+90s', '+15m', '+2h', '+1d' or an instant "
            "such as '2026-11-22T08:06:25Z'."
        ) from error


def _text(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError("run_at has no time zone: use datetime.now(UTC) or a timedelta.")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
