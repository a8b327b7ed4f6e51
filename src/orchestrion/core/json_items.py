"""Takes the list in a body apart, so that what is wrong with one item is no fault of the others.

The work grows with the length of the body, never with how many values are in it.
"""

import re
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import astuple

from orchestrion.core.limits import (
    BATCH_BESIDE_BYTES_MAX,
    BATCH_ITEMS_MAX,
    BATCH_NAMES_MAX,
    BODY_NESTING_MAX,
)
from orchestrion.core.strict_json import Malformed, bound_nesting, read_text, read_value

TOO_MANY_NAMES: Final = f"The body has more than {BATCH_NAMES_MAX} fields."
_TOO_DEEP: Final = f"The body is nested deeper than {BODY_NESTING_MAX} levels."
_TOO_MUCH_BESIDE: Final = (
    f"What stands beside 'items' is larger than {BATCH_BESIDE_BYTES_MAX} bytes."
)
_SPACES: Final = re.compile(r"[ \t\n\r]*")

# What a strict reading alone refuses, and what takes as many bytes and ends at the same place.
_CONTROLS: Final = bytes(range(32))
_SPACED: Final = bytes.maketrans(_CONTROLS, b" " * len(_CONTROLS))
_HARMLESS: Final = (
    (b"NaN", b"0.0"),
    (b"Infinity", b"0.000000"),
    (rb"\ud", rb"\u0"),
    (rb"\uD", rb"\u0"),
)


class _Body(msgspec.Struct):
    items: msgspec.Raw | UnsetType = UNSET


# One more than allowed tells that there are too many; what follows is skipped, and costs no object.
_Elements: Final = msgspec.defstruct(
    "_Elements",
    [(f"at_{place}", msgspec.Raw | UnsetType, UNSET) for place in range(BATCH_ITEMS_MAX + 1)],
    array_like=True,
)
_BODY: Final = msgspec.json.Decoder(_Body)
_ELEMENTS: Final = msgspec.json.Decoder(_Elements)


def split_items(body: bytes) -> list[str] | None:
    """Give the text of each of the `items`, at most one more than allowed; None without a list.

    Only what is around the list is read strictly. Raises Malformed where that is wrong, or where
    items cannot be told apart.
    """
    text = read_text(body)
    listed = _list_in(body)
    if not listed.startswith(b"["):
        return None
    if len(body) - len(listed) > BATCH_BESIDE_BYTES_MAX:
        raise Malformed(_TOO_MUCH_BESIDE)
    elements = (one for one in astuple(_ELEMENTS.decode(listed)) if one is not UNSET)
    return _Reading(text).items([len(str(element, "utf-8")) for element in elements])


def _list_in(body: bytes) -> bytes:
    """Find the list, though some of its items may be no strict JSON."""
    try:
        try:
            found = _BODY.decode(body).items
        except msgspec.DecodeError:
            found = _BODY.decode(_harmless(body)).items
    except msgspec.ValidationError as error:
        raise Malformed("The body must be a JSON object.") from error
    except msgspec.DecodeError as error:
        raise Malformed("The body is not valid JSON.") from error
    except RecursionError as error:
        raise Malformed(_TOO_DEEP) from error
    return b"" if found is UNSET else bytes(found)


def _harmless(body: bytes) -> bytes:
    body = body.translate(_SPACED)
    for refused, harmless in _HARMLESS:
        body = body.replace(refused, harmless)
    return body


class _Reading:
    """A place in a text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def items(self, lengths: list[int]) -> list[str]:
        """Read the body strictly, but for the items, of which the lengths are known."""
        items: list[str] = []
        names: set[str] = set()
        self._take("{")
        while True:
            key = self._name()
            if key in names:
                raise Malformed("An object has the same key twice.")
            names.add(key)
            if len(names) > BATCH_NAMES_MAX:
                raise Malformed(TOO_MANY_NAMES)
            self._take(":")
            if key == "items":
                items = self._elements(lengths)
                if len(items) > BATCH_ITEMS_MAX:
                    return items
            else:
                self._value()
            if self._sees("}"):
                break
            self._take(",")
        self._take("}")
        if self._at != len(self._text.rstrip(" \t\n\r")):
            raise self._no_json()
        return items

    def _sees(self, mark: str) -> bool:
        space = _SPACES.match(self._text, self._at)
        self._at = space.end() if space else self._at
        return self._text.startswith(mark, self._at)

    def _take(self, mark: str) -> None:
        if not self._sees(mark):
            raise self._no_json()
        self._at += len(mark)

    def _name(self) -> str:
        if not self._sees('"'):
            raise self._no_json()
        return str(self._value())

    def _value(self) -> object:
        self._sees("")
        begin = self._at
        try:
            value, self._at = read_value(self._text, begin)
        except RecursionError as error:
            raise Malformed(_TOO_DEEP) from error
        bound_nesting(self._text[begin : self._at].encode())
        return value

    def _elements(self, lengths: list[int]) -> list[str]:
        self._take("[")
        found: list[str] = []
        for length in lengths:
            if found:
                self._take(",")
            self._sees("")
            found.append(self._text[self._at : self._at + length])
            self._at += length
        if len(found) <= BATCH_ITEMS_MAX:
            self._take("]")
        return found

    def _no_json(self) -> Malformed:
        return Malformed(f"The body is not valid JSON (character {self._at}).")
