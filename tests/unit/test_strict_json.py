import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrion.core.limits import BODY_NESTING_MAX, DOCUMENT_BYTES_MAX, INTEGER_DIGITS_MAX
from orchestrion.core.strict_json import Malformed, canonical, document, read_object

KEYS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | KEYS
)
# The object itself is level one, so what it holds may be four levels deep.
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4)


def depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


def as_document(text: str) -> str:
    raw = text.encode()
    return document("payload", raw, read_object(raw)[1])


def refused(body: bytes) -> str:
    with pytest.raises(Malformed) as caught:
        read_object(body)
    assert caught.value.status == 400
    return str(caught.value)


@given(value=OBJECTS, escape=st.booleans(), indent=st.sampled_from([None, 0, 3]))
def test_any_object_is_read_as_its_value(
    value: dict[str, object],
    escape: bool,  # noqa: FBT001 - drawn
    indent: int | None,
) -> None:
    text = json.dumps(value, ensure_ascii=escape, indent=indent)

    assert read_object(text.encode()) == (text, value)


@given(value=OBJECTS, escape=st.booleans(), indent=st.sampled_from([None, 0, 3]))
def test_a_document_is_kept_as_compact_text_of_the_same_value(
    value: dict[str, object],
    escape: bool,  # noqa: FBT001 - drawn
    indent: int | None,
) -> None:
    text = json.dumps(value, ensure_ascii=escape, indent=indent)
    if depth(value) > 5:
        with pytest.raises(Malformed, match="deeper than 5"):
            as_document(text)
        return

    kept = as_document(text)

    assert json.loads(kept) == value
    assert len(kept) <= len(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    assert as_document(kept) == kept


@given(junk=st.binary(max_size=60))
def test_no_bytes_make_the_reader_fail_otherwise_than_by_refusing(junk: bytes) -> None:
    try:
        _, value = read_object(junk)
    except Malformed:
        return
    assert isinstance(value, dict)


def test_numbers_keep_their_digits() -> None:
    digits = "0.1000000000000000055511151231257827021181583404541015625"
    text = f'{{"a":{digits},"b":1.50,"c":1E+2,"d":-0,"e":{"9" * INTEGER_DIGITS_MAX}}}'

    assert as_document(text) == text


def test_strings_keep_their_spaces_and_lose_needless_escapes() -> None:
    kept = as_document(
        '{ "a b" :\t"c \\u0041\\/ \\ud83d\\ude00 \\" \\\\u0000 \\n" ,\r\n"d":[ 1 , 2 ] }'
    )

    assert kept == '{"a b":"c A/ 😀 \\" \\\\u0000 \\n","d":[1,2]}'


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"\xff", "UTF-8"),
        (b'{"a":"\xed\xa0\x80"}', "UTF-8"),
        (b'{"a":"\xc0\x80"}', "UTF-8"),
        (b"\xef\xbb\xbf{}", "not valid JSON"),
        ('{"a":1}'.encode("utf-16"), ""),
        (b"", "not valid JSON"),
        (b" ", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"{}{}", "not valid JSON"),
        (b"{}]", "not valid JSON"),
        (b'{"a":1,}', "not valid JSON"),
        (b"{'a':1}", "not valid JSON"),
        (b"{a:1}", "not valid JSON"),
        (b'{"a":01}', "not valid JSON"),
        (b'{"a":+1}', "not valid JSON"),
        (b'{"a":.5}', "not valid JSON"),
        (b'{"a":"\x00"}', "not valid JSON"),
        (b'{"a":"\n"}', "not valid JSON"),
        (b'{"a":"\\x41"}', "not valid JSON"),
        (b'{"a":"\\u00g0"}', "not valid JSON"),
        (b'{"a":1}//', "not valid JSON"),
        (b"\x0b{}", "not valid JSON"),
        ("\u00a0{}".encode(), "not valid JSON"),
        (b"[]", "must be a JSON object"),
        (b'"{}"', "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b"7", "must be a JSON object"),
        (b'{"a":"\\u0000"}', "NUL"),
        (b'{"\\u0000":1}', "NUL"),
        (b'{"a":[{"b":"x\\u0000"}]}', "NUL"),
        (b'{"a":"\\ud800"}', "surrogate"),
        (b'{"a":"\\udc00\\ud800"}', "surrogate"),
        (b'{"\\ud800":1}', "surrogate"),
        (b'{"a":["\\udfff"]}', "surrogate"),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":Infinity}', "NaN"),
        (b'{"a":-Infinity}', "NaN"),
        (b'{"a":1e400}', "too large"),
        (b'{"a":-1e400}', "too large"),
        (b'{"a":1,"a":1}', "same key"),
        (b'{"a":1,"\\u0061":1}', "same key"),
        (b'{"a":{"b":1,"b":2}}', "same key"),
    ],
)
def test_what_a_decoder_might_let_through_is_refused(body: bytes, named: str) -> None:
    assert named in refused(body)


def test_escapes_that_mean_ordinary_characters_are_read() -> None:
    _, value = read_object(b'{"a":"\\u00e9 \\ud83d\\ude00 \\\\u0000","b":[null,{"c":"\\u0041"}]}')

    assert value == {"a": "é 😀 \\u0000", "b": [None, {"c": "A"}]}


def test_integers_are_bounded_by_their_digits() -> None:
    longest = "9" * INTEGER_DIGITS_MAX

    assert read_object(f'{{"a":-{longest}}}'.encode())[1] == {"a": -int(longest)}
    assert "digits" in refused(f'{{"a":{longest}9}}'.encode())
    assert "digits" in refused(f'{{"a":-{longest}9}}'.encode())


def test_a_long_body_may_hold_any_number_of_short_numbers() -> None:
    text = json.dumps({"a": list(range(2_000)), "b": 0.5})

    assert read_object(text.encode())[1] == json.loads(text)


def nested(levels: int, opening: str = "[", closing: str = "]") -> bytes:
    inside = levels - 1
    return f'{{"a":{opening * inside}{closing * inside}}}'.encode()


def test_nesting_is_bounded_before_any_recursive_parser_runs() -> None:
    assert read_object(nested(BODY_NESTING_MAX))[1]
    assert "nested deeper" in refused(nested(BODY_NESTING_MAX + 1))
    assert "nested deeper" in refused(b"[" * 500_000)
    assert "nested deeper" in refused(b'{"a":' * 100_000)


def test_wide_is_not_deep() -> None:
    wide = json.dumps({"a": [[] for _ in range(100)], "b": "[" * 100, "c": '"{\\"['})

    assert read_object(wide.encode())[1] == json.loads(wide)


def test_brackets_out_of_order_are_no_way_past_the_bound() -> None:
    assert "not valid JSON" in refused(b"]" * 60 + b"[" * 60)
    assert "nested deeper" in refused(b'{"a":"' + b"[" * 90 + b'","b":' + b"[" * 90)


@pytest.mark.parametrize("raw", ["[]", "null", "7", '"{}"', "true"])
def test_a_document_is_an_object(raw: str) -> None:
    with pytest.raises(Malformed, match="'result' must be a JSON object"):
        document("result", raw.encode(), json.loads(raw))


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_a_document_is_five_levels_deep_at_most(opening: str, closing: str) -> None:
    filler = "0" if opening != "[" else ""
    for levels, allowed in ((5, True), (6, False)):
        inside = levels - 1
        deep = f'"a":{opening * inside}{filler}{closing * inside}'

        for text in (f"{{{deep}}}", f'{{"b":[],"c":[],"d":[],{deep}}}'):
            if allowed:
                assert as_document(text) == text
            else:
                with pytest.raises(Malformed, match="deeper than 5"):
                    as_document(text)


@pytest.mark.parametrize("letter", ["x", "é", "😀"])
def test_a_document_is_bounded_by_its_bytes_as_compact_utf8(letter: str) -> None:
    room = DOCUMENT_BYTES_MAX - len('{"a":""}')
    letters = room // len(letter.encode())
    filled = letter * letters + "y" * (room - letters * len(letter.encode()))

    fits = as_document(f'{{ "a" : "{filled}" }}')

    assert len(fits.encode()) == DOCUMENT_BYTES_MAX
    with pytest.raises(Malformed, match="larger than 65536 bytes"):
        as_document(f'{{"a":"{filled}y"}}')


def test_canonical_documents_are_equal_whatever_their_order_and_escapes() -> None:
    one = as_document('{"a":1,"b":{"c":"\\u0041","d":1.50}}')
    other = as_document('{ "b":{"d":1.50,"c":"A"}, "a":1 }')

    assert canonical(one) == canonical(other)


@pytest.mark.parametrize("other", ['{"a":1.5}', '{"a":1.500}', '{"a":"1.50"}', '{"a":15e-1}'])
def test_canonical_documents_tell_numbers_apart_by_their_digits(other: str) -> None:
    assert canonical('{"a":1.50}') != canonical(other)
