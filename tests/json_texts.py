"""JSON documents as texts, written in every way that means the same."""

import json

import msgspec
from hypothesis import strategies as st

CURIOUS = (
    "",
    "é",
    "😀",
    "\u2028\u2029",
    "\u202eright to left\u202c",
    "\u2066isolated\u2069",
    "\ufeff",
    "\x7f\x80\x9f",
    "\x01\t\n\r\x1b[31m",
    '"\\/',
    "\\u0000",
    "[{]}",
    "e\u0301",
    "\ud7ff\ue000\uffff",
    "\U0010ffff",
    "NaN",
    "__proto__",
)
DIGITS = (
    "0",
    "-0",
    "-0.0",
    "1.50",
    "1E+2",
    "1e-400",
    "5e-324",
    "1.7976931348623157e308",
    "0.1000000000000000055511151231257827021181583404541015625",
    "123456789012345678901234567890",
    "-9007199254740993",
    "1" + "0" * 3_999,
)


class Number(msgspec.Struct, frozen=True, order=True):
    """A number by its digits."""

    digits: str


class Style(msgspec.Struct, frozen=True):
    """One way to write: white space, which characters are escaped, and the order of keys."""

    space: str = ""
    escapes: str = "none"
    backwards: bool = False


STYLES = st.builds(
    Style,
    st.sampled_from(["", " ", "\n\t", "\r\n  "]),
    st.sampled_from(["none", "some", "all"]),
    st.booleans(),
)


def objects(levels: int) -> st.SearchStrategy[dict[str, object]]:
    """Draw objects that are at most so deep, the object itself being one level."""
    # Values made of bytes are drawn and shrunk many times faster than recursive strategies.
    return st.binary(max_size=60).map(lambda raw: _Choices(raw).draw_object(levels))


class _Choices:
    """Bytes read as a row of choices; when they are used up, the simplest is chosen."""

    def __init__(self, raw: bytes) -> None:
        self._rest = iter(raw)

    def draw_object(self, levels: int) -> dict[str, object]:
        return {self._string(): self._value(levels - 1) for _ in range(self._one_of(4))}

    def _one_of(self, count: int) -> int:
        return next(self._rest, 0) % count

    def _value(self, levels: int) -> object:
        match self._one_of(5 if levels else 3):
            case 0:
                return (None, True, False)[self._one_of(3)]
            case 1:
                return self._number()
            case 2:
                return self._string()
            case 3:
                return self.draw_object(levels)
            case _:
                return [self._value(levels - 1) for _ in range(self._one_of(4))]

    def _number(self) -> Number:
        chosen = self._one_of(len(DIGITS) + 8)
        if chosen < len(DIGITS):
            return Number(DIGITS[chosen])
        whole, part, power = (self._one_of(256) for _ in range(3))
        fraction = ("", f".{part}", f".{part}0")[part % 3]
        exponent = ("", f"e{power}", f"E-{power}", f"e+{power:03}")[power % 4]
        return Number(f"{'-' * (chosen % 2)}{whole}{fraction}{exponent}")

    def _string(self) -> str:
        chosen = self._one_of(len(CURIOUS) + 8)
        if chosen < len(CURIOUS):
            return CURIOUS[chosen]
        characters = (self._one_of(256) << 8 | self._one_of(256) for _ in range(chosen % 4))
        return "".join(chr(one) for one in characters if one and not 0xD800 <= one <= 0xDFFF)


def write(value: object, style: Style) -> str:
    """Write a value in a style."""
    match value:
        case dict():
            pairs = [f"{_text(key, style)}:{write(one, style)}" for key, one in value.items()]
            return _between("{", pairs[::-1] if style.backwards else pairs, "}", style)
        case list():
            return _between("[", [write(one, style) for one in value], "]", style)
        case Number():
            return f"{style.space}{value.digits}{style.space}"
        case str():
            return _text(value, style)
        case _:
            return f"{style.space}{json.dumps(value)}"


def read(text: str | bytes) -> object:
    """Read JSON so that numbers are equal only if their digits are."""
    return json.loads(text, parse_int=Number, parse_float=Number)


def _between(opening: str, parts: list[str], closing: str, style: Style) -> str:
    space = style.space
    return f"{space}{opening}{space}{f'{space},'.join(parts)}{space}{closing}{space}"


def _text(text: str, style: Style) -> str:
    if style.escapes == "all":
        units = text.encode("utf-16-be")
        pairs = [units[at : at + 2].hex() for at in range(0, len(units), 2)]
        return '"' + "".join(f"\\u{pair}" for pair in pairs) + '"'
    written = json.dumps(text, ensure_ascii=style.escapes == "some")
    return written.replace("/", "\\/") if style.escapes == "some" else written
