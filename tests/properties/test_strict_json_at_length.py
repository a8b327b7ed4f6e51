"""What must hold for any text: the depth scanner, compaction and the canonical form."""

import hashlib
import json
from collections.abc import Iterator
from itertools import takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrion.core.limits import BODY_NESTING_MAX
from orchestrion.core.strict_json import Malformed, canonical, document, read_object
from tests.json_texts import STYLES, Style, objects, read, write

AT_LENGTH = settings(max_examples=2_000, deadline=None, derandomize=True, database=None)
TOKENS = ("[", "]", "{", "}", '"', "\\", '\\"', ",", ":", "a", " ", '"[{"', "[" * 20)
OPENINGS = ("[", '{"]":', '["\\"[{",', '{"a":[],"b":')
# Bytes are drawn many times faster than lists of choices.
SOUP = st.binary(max_size=60).map(lambda raw: "".join(TOKENS[one % len(TOKENS)] for one in raw))
WAYS_DOWN = st.binary(min_size=1, max_size=2 * BODY_NESTING_MAX).map(
    lambda raw: [OPENINGS[one % len(OPENINGS)] for one in raw]
)


def as_document(text: str) -> str:
    return document("payload", text.encode(), read_object(text.encode())[1])


def depths(text: str) -> Iterator[int]:
    """Follow the depth one character at a time; below nought it begins anew."""
    depth = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            in_string = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
        elif character in "]}":
            yield depth - 1
            depth = max(0, depth - 1)
        yield depth


def depth_reached(text: str) -> int:
    return max(depths(text), default=0)


def depth_parsed(text: str) -> int:
    """Tell how deep a parser may get before it meets a bracket that closes nothing."""
    return max(takewhile(lambda depth: depth >= 0, depths(text)), default=0)


def digest(text: str) -> bytes:
    same = json.dumps(canonical(text), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(same.encode()).digest()


@AT_LENGTH
@given(text=SOUP)
def test_no_text_takes_a_parser_deep_and_no_shallow_one_is_called_deep(text: str) -> None:
    with pytest.raises(Malformed) as caught:
        read_object(f"[{text}".encode())

    if "nested deeper" in str(caught.value):
        assert depth_reached(f"[{text}") > BODY_NESTING_MAX
    else:
        assert depth_parsed(f"[{text}") <= 2 * BODY_NESTING_MAX


@AT_LENGTH
@given(way_down=WAYS_DOWN)
def test_brackets_in_strings_and_closed_ones_do_not_count(way_down: list[str]) -> None:
    way_up = ["]" if one.startswith("[") else "}" for one in reversed(way_down)]
    text = f'{{"x":{"".join(way_down)}0{"".join(way_up)}}}'
    # An empty array beside the way down adds a level where the way itself ends.
    deepest = max(depth + 1 + ("[]" in one) for depth, one in enumerate(way_down, start=1))

    if deepest > BODY_NESTING_MAX:
        with pytest.raises(Malformed, match="nested deeper"):
            read_object(text.encode())
    else:
        assert read_object(text.encode()) == (text, json.loads(text))


@AT_LENGTH
@given(value=objects(5), style=STYLES)
def test_compaction_keeps_the_value_with_its_digits_and_nothing_else(
    value: dict[str, object], style: Style
) -> None:
    kept = as_document(write(value, style))

    assert read(kept) == value
    assert kept == as_document(kept)
    assert len(kept.encode()) <= len(write(value, Style()).encode())


@AT_LENGTH
@given(value=objects(5), one=STYLES, other=STYLES)
def test_however_a_document_is_written_its_digest_is_the_same(
    value: dict[str, object], one: Style, other: Style
) -> None:
    assert digest(as_document(write(value, one))) == digest(as_document(write(value, other)))


@AT_LENGTH
@given(value=objects(4), other=objects(4))
def test_documents_of_other_values_have_other_digests(
    value: dict[str, object], other: dict[str, object]
) -> None:
    # Minus nought is nought.
    one, another = (write(each, Style()).replace("-0", "-1") for each in (value, other))

    same = read(one) == read(another)
    assert (digest(as_document(one)) == digest(as_document(another))) == same


@AT_LENGTH
@given(value=objects(7))
def test_a_document_is_as_deep_as_its_deepest_branch(value: dict[str, object]) -> None:
    text = write(value, Style())

    if depth_reached(text) > 5:
        with pytest.raises(Malformed, match="deeper than 5"):
            as_document(text)
    else:
        assert read(as_document(text)) == value
