"""JSON at the door: one reading for every store, stricter than any decoder's (decisions §6).

Refused: invalid UTF-8, byte-order marks, NUL, lone surrogates, NaN and Infinity, numbers that
overflow, integers of over 4,000 digits, duplicate keys, deep nesting. Numbers keep their digits.
"""

import json
import math
import re
from typing import NoReturn

import msgspec

from orchestrion.core.limits import (
    BODY_NESTING_MAX,
    DOCUMENT_BYTES_MAX,
    DOCUMENT_DEPTH_MAX,
    INTEGER_DIGITS_MAX,
)

JsonObject = dict[str, object]

_STRING = r'"(?:[^"\\]++|\\.)*+"?'
_STRINGS = re.compile(_STRING.encode(), re.DOTALL)
_FIRST_LOOK_BYTES = 4_096
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_TOO_DEEP = b"[" * (BODY_NESTING_MAX + 1)
_DIGITS_ALIKE = bytes(ord("0") if chr(byte) in "0123456789" else 0 for byte in range(256))
_TOO_MANY_DIGITS = b"0" * (INTEGER_DIGITS_MAX + 1)
_STRING_PARTS = re.compile(f"({_STRING})", re.DOTALL)
_NO_SPACE = {ord(space): None for space in " \t\n\r"}
_SPACES = " \t\n\r"
_SPACE = re.compile(r"[ \t\n\r]")


class Malformed(ValueError):
    """The input is refused with a status; the message is constant and says what to change."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def read_object(body: bytes) -> tuple[str, JsonObject]:
    """Read a JSON object; gives its text and its value. Raises Malformed."""
    text = read_text(body)
    bound_nesting(body)
    decoder = _COUNTING_DECODER if _may_have_too_many_digits(body) else _DECODER
    value = _scan(decoder, text.strip(_SPACES))
    if not isinstance(value, dict):
        raise Malformed("The body must be a JSON object.")
    # NUL and surrogates can only come as escapes: raw ones are no JSON or no UTF-8.
    if "\\u" in text:
        _refuse_bad_characters(value)
    return text, value


def _may_have_too_many_digits(body: bytes) -> bool:
    # Linear in the body, whatever is in it: only where so many stand in a row they are counted.
    return len(body) > INTEGER_DIGITS_MAX and _TOO_MANY_DIGITS in body.translate(_DIGITS_ALIKE)


def read_text(body: bytes) -> str:
    """Read the characters of a body. Raises Malformed."""
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("The body is not valid UTF-8.") from error


def read_value(text: str, position: int) -> tuple[object, int]:
    """Read the value that begins at a position of a text whose nesting is bounded; gives its end.

    Raises Malformed.
    """
    try:
        value, end = _COUNTING_DECODER.raw_decode(text, position)
    except json.JSONDecodeError as error:
        message = f"The body is not valid JSON (character {error.pos})."
        raise Malformed(message) from error
    _refuse_bad_characters(value)
    return value, end


def _scan(decoder: json.JSONDecoder, text: str) -> object:
    # What `decode` does, without the two searches for space around the value.
    try:
        value, end = decoder.raw_decode(text)
    except json.JSONDecodeError as error:
        message = f"The body is not valid JSON (character {error.pos})."
        raise Malformed(message) from error
    if end != len(text):
        message = f"The body is not valid JSON (character {end})."
        raise Malformed(message)
    return value


def document(name: str, raw: bytes, value: object) -> str:
    """Give the compact text of a payload or result. Raises Malformed."""
    if not isinstance(value, dict):
        message = f"'{name}' must be a JSON object."
        raise Malformed(message)
    text = raw.decode("utf-8")
    compact = _compact(text)
    if len(compact) > DOCUMENT_BYTES_MAX or len(compact.encode()) > DOCUMENT_BYTES_MAX:
        message = f"'{name}' is larger than {DOCUMENT_BYTES_MAX} bytes as compact JSON."
        raise Malformed(message)
    if text.count("{") + text.count("[") > DOCUMENT_DEPTH_MAX and _depth(value) > (
        DOCUMENT_DEPTH_MAX
    ):
        message = f"'{name}' is nested deeper than {DOCUMENT_DEPTH_MAX} levels."
        raise Malformed(message)
    return compact


def canonical(text: str) -> object:
    """Give a value that is equal for equal documents: key order aside, digits as sent."""
    # NUL cannot stand in a checked document, so the mark cannot meet a string.
    return json.loads(text, parse_float=lambda digits: "\0" + digits)


def _compact(text: str) -> str:
    if "\\" not in text and _SPACE.search(text) is None:
        return text
    # Strings stand at the odd places, what is between them at the even ones.
    parts = _STRING_PARTS.split(text)
    parts[::2] = [part.translate(_NO_SPACE) for part in parts[::2]]
    if "\\" in text:
        parts[1::2] = [_plain(part) if "\\" in part else part for part in parts[1::2]]
    return "".join(parts)


def _plain(string: str) -> str:
    return msgspec.json.encode(msgspec.json.decode(string, type=str)).decode()


def bound_nesting(body: bytes) -> None:
    """Refuse what is nested too deep for a parser. Raises Malformed."""
    # Before any recursive parser runs; the two counts settle nearly every body.
    if body.count(b"{") + body.count(b"[") <= BODY_NESTING_MAX:
        return
    # Most bombs show in their first bytes: the rest of them need not be looked at.
    if _is_too_deep(body[:_FIRST_LOOK_BYTES]) or (
        len(body) > _FIRST_LOOK_BYTES and _is_too_deep(body)
    ):
        message = f"The body is nested deeper than {BODY_NESTING_MAX} levels."
        raise Malformed(message)


def _is_too_deep(body: bytes) -> bool:
    """Tell whether a body, or the beginning of one, opens more levels than it may."""
    brackets = _outside_strings(body).translate(_ONE_KIND, _NO_BRACKETS)
    # Each turn takes the innermost pairs away, however many they are.
    for _ in range(BODY_NESTING_MAX):
        before = len(brackets)
        brackets = brackets.replace(b"[]", b"")
        if len(brackets) == before or brackets.startswith(_TOO_DEEP):
            break
    # What is left closes first, where a parser stops, or is only open, or was deeper.
    open_only = len(brackets) > BODY_NESTING_MAX and not brackets.startswith(b"]")
    return open_only or b"[]" in brackets


def _outside_strings(body: bytes) -> bytes:
    if b"\\" in body:
        return _STRINGS.sub(b"", body)
    # Without escapes each quote begins or ends a string.
    return b"".join(body.split(b'"')[::2])


def _depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0


def _refuse_bad_characters(value: object) -> None:
    if isinstance(value, str):
        if "\0" in value:
            raise Malformed("A string or key contains NUL (\\u0000).")
        if not value.isascii() and any("\ud800" <= one <= "\udfff" for one in value):
            raise Malformed("A string or key contains half of a surrogate pair.")
    elif isinstance(value, dict):
        for key, inner in value.items():
            _refuse_bad_characters(key)
            _refuse_bad_characters(inner)
    elif isinstance(value, list):
        for inner in value:
            _refuse_bad_characters(inner)


def _pairs(pairs: list[tuple[str, object]]) -> JsonObject:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise Malformed("An object has the same key twice.")
    return value


def _constant(_: str) -> NoReturn:
    raise Malformed("NaN and Infinity are not JSON.")


def _float(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise Malformed("A number is too large.")
    return value


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > INTEGER_DIGITS_MAX:
        message = f"An integer has more than {INTEGER_DIGITS_MAX} digits."
        raise Malformed(message)
    return int(digits)


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_float)
_COUNTING_DECODER = json.JSONDecoder(
    object_pairs_hook=_pairs,
    parse_constant=_constant,
    parse_float=_float,
    parse_int=_integer,
)
