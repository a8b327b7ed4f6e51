"""What no log line may carry: API keys are struck out, control characters are escaped."""

import re

KEY_STRUCK = "[key struck]"

_KEY_MARK = b"orch_live_"
_KEY = re.compile(r"orch_live_[0-9a-zA-Z]*")
# C0 controls are escaped by any JSON encoder; these pass through one and can still move a
# cursor, break a line or turn the reading direction round.
_PAST_C0 = r"\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069"
_UNSEEN = re.compile(f"[{_PAST_C0}]")
_CONTROLS = re.compile(rf"[\x00-\x1f{_PAST_C0}\ud800-\udfff]")
_CONTROLS_IN_LINES = re.compile(rf"[\x00-\x08\x0b-\x1f{_PAST_C0}\ud800-\udfff]")


def printable(text: str) -> str:
    """Text for one field: keys struck, every control character escaped, safe to encode."""
    return _CONTROLS.sub(_escaped, strike_keys(text))


def printable_lines(text: str) -> str:
    """Like `printable`, for text of several lines such as a traceback: line ends and tabs stay."""
    return _CONTROLS_IN_LINES.sub(_escaped, strike_keys(text))


def strike_keys(text: str) -> str:
    """The text with everything that looks like an API key, whole or cut off, replaced."""
    return _KEY.sub(KEY_STRUCK, text)


def cleanse(lines: bytes) -> bytes:
    """Finished lines of UTF-8, the last filter before the write.

    Many lines at once, because the usual case (ASCII, no key) then costs two scans of memory.
    """
    if lines.isascii() and _KEY_MARK not in lines and b"\x7f" not in lines:
        return lines
    return _UNSEEN.sub(_escaped, strike_keys(lines.decode())).encode()


def _escaped(match: re.Match[str]) -> str:
    # The form is also a legal escape inside a JSON string, so finished JSON stays JSON.
    return f"\\u{ord(match[0]):04x}"
