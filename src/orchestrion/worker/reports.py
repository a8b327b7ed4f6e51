"""How an attempt ended, as it is told to the server."""

from typing import Final

import msgspec

REASON_LENGTH_MAX: Final = 500


class Completed(msgspec.Struct, frozen=True, kw_only=True):
    """The work is done; `result` is a JSON object as text."""

    result: bytes | None = None
    output_id: str | None = None


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """The attempt failed; `retry_after` in seconds, at once without."""

    reason: str
    retry_after: int | None = None


class Released(msgspec.Struct, frozen=True, kw_only=True):
    """The claim is taken back: the attempt is not charged."""

    reason: str


Report = Completed | Failed | Released


def reason_of(error: BaseException) -> str:
    """Give the failure reason for an exception: its type and message, cut to what is accepted."""
    name = type(error).__name__
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - an exception may have no words for itself
        return cut(name)
    return cut(f"{name}: {message}" if message else name)


def cut(text: str) -> str:
    """Cut a reason to the length the server accepts, without what no JSON text may hold."""
    clean = text.replace("\x00", "").encode("utf-8", "replace").decode()
    return clean if len(clean) <= REASON_LENGTH_MAX else clean[: REASON_LENGTH_MAX - 1] + "…"
