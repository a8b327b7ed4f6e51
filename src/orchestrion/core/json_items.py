"""Takes a list in a body apart, so that what is wrong with one item is no fault of the others."""

import json
import re

from orchestrion.core.strict_json import Malformed, bound_nesting, read_text, read_value

_SPACES = re.compile(r"[ \t\n\r]*")


def _anything(_: str) -> None:
    """Stand for a number: only where it ends matters here."""


_LENIENT = json.JSONDecoder(parse_int=_anything, parse_float=_anything, parse_constant=_anything)


def split_items(body: bytes, name: str) -> list[str] | None:
    """Give the text of each item of the list under a name; None if there is no such list.

    Only what is around the list is read strictly. Raises Malformed where that is wrong, or where
    items cannot be told apart.
    """
    text = read_text(body)
    bound_nesting(body)
    reading = _Reading(text)
    items: list[str] | None = None
    names: set[str] = set()
    reading.take("{")
    while not (reading.sees("}") and not names):
        key = reading.name()
        if key in names:
            raise Malformed("An object has the same key twice.")
        names.add(key)
        reading.take(":")
        if key == name and reading.sees("["):
            items = reading.elements()
        else:
            reading.value()
        if reading.sees("}"):
            break
        reading.take(",")
    reading.take("}")
    reading.end()
    return items


class _Reading:
    """A place in a text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def sees(self, mark: str) -> bool:
        """Tell whether a mark stands next."""
        space = _SPACES.match(self._text, self._at)
        self._at = space.end() if space else self._at
        return self._text.startswith(mark, self._at)

    def take(self, mark: str) -> None:
        """Go past a mark that must stand next."""
        if not self.sees(mark):
            raise _no_json(self._at)
        self._at += len(mark)

    def name(self) -> str:
        """Read a key strictly."""
        if not self.sees('"'):
            raise _no_json(self._at)
        return str(self.value())

    def value(self) -> object:
        """Read a value strictly."""
        self.sees("")
        value, self._at = read_value(self._text, self._at)
        return value

    def elements(self) -> list[str]:
        """Find where each element of a list begins and ends."""
        self.take("[")
        found: list[str] = []
        while not (self.sees("]") and not found):
            found.append(self._element())
            if self.sees("]"):
                break
            self.take(",")
        self.take("]")
        return found

    def end(self) -> None:
        """Make sure that nothing follows."""
        self.sees("")
        if self._at != len(self._text):
            raise _no_json(self._at)

    def _element(self) -> str:
        self.sees("")
        begin = self._at
        try:
            _, self._at = _LENIENT.raw_decode(self._text, begin)
        except json.JSONDecodeError as error:
            raise _no_json(error.pos) from error
        return self._text[begin : self._at]


def _no_json(position: int) -> Malformed:
    return Malformed(f"The body is not valid JSON (character {position}).")
