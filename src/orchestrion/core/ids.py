"""Formats of identifiers, keys and tokens; generation takes its entropy from the caller."""

import re
import zlib
from typing import Final, NewType

from orchestrion.core.instants import Instant

TaskId = NewType("TaskId", str)
AccountId = NewType("AccountId", str)
RequestId = NewType("RequestId", str)
KeyId = NewType("KeyId", str)
LeaseToken = NewType("LeaseToken", str)
PurchaseId = NewType("PurchaseId", str)

RANDOM_BITS: Final = 80
TAIL_BITS: Final = 50
TOKEN_ENTROPY_BYTES: Final = 17
KEY_ENTROPY_BYTES: Final = 28
KEY_PREFIX: Final = "orch_live_"

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# Two characters at a time halve the work of the hottest generator in the service.
_PAIRS = tuple(high + low for high in _ALPHABET for low in _ALPHABET)
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", re.ASCII)
_KEY = re.compile(r"orch_live_[0-9a-f]{64}", re.ASCII)
_KEY_RANDOM_DIGITS = 56


def ulid(instant: Instant, randomness: int) -> str:
    """Write the 26 characters of a ULID: 48 bits of milliseconds, then 80 random bits."""
    value = (instant << RANDOM_BITS) | randomness
    head = "".join([_PAIRS[(value >> shift) & 1023] for shift in range(120, TAIL_BITS - 1, -10)])
    return head + ulid_tail(value)


def ulid_tail(value: int) -> str:
    """Write the last 10 characters of a ULID: its low TAIL_BITS bits."""
    return (
        _PAIRS[(value >> 40) & 1023]
        + _PAIRS[(value >> 30) & 1023]
        + _PAIRS[(value >> 20) & 1023]
        + _PAIRS[(value >> 10) & 1023]
        + _PAIRS[value & 1023]
    )


def is_ulid(text: str) -> bool:
    """Tell whether the text is a canonical (upper-case) ULID."""
    return _ULID.fullmatch(text) is not None


def is_task_id(text: str) -> bool:
    """Tell whether the text has the form of a task id."""
    return text.startswith("tsk_") and is_ulid(text[4:])


def is_purchase_id(text: str) -> bool:
    """Tell whether the text has the form of a purchase id."""
    return text.startswith("pur_") and is_ulid(text[4:])


def lease_token(entropy: bytes) -> LeaseToken:
    """Make a fencing token of TOKEN_ENTROPY_BYTES random bytes: `lse_` + 34 hex digits."""
    return LeaseToken("lse_" + entropy.hex())


def api_key(entropy: bytes) -> str:
    """Make a key of KEY_ENTROPY_BYTES random bytes: 56 hex digits and their CRC-32."""
    digits = entropy.hex()
    return f"{KEY_PREFIX}{digits}{zlib.crc32(digits.encode('ascii')):08x}"


def is_api_key(text: str) -> bool:
    """Tell whether form and checksum are right, which costs no database work."""
    if _KEY.fullmatch(text) is None:
        return False
    digits = text[len(KEY_PREFIX) :]
    checksum = zlib.crc32(digits[:_KEY_RANDOM_DIGITS].encode("ascii"))
    return digits[_KEY_RANDOM_DIGITS:] == f"{checksum:08x}"
