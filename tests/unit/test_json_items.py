"""A list in a body comes apart at the same places for which any parser would take it apart."""

import contextlib
import json
import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrion.core.json_items import split_items
from orchestrion.core.limits import (
    BATCH_BESIDE_BYTES_MAX,
    BATCH_BODY_BYTES_MAX,
    BATCH_ITEMS_MAX,
    BATCH_NAMES_MAX,
)
from orchestrion.core.strict_json import Malformed
from tests.json_texts import STYLES, Style, objects, write

SPACES = st.text(" \t\n\r", max_size=2)


@given(
    values=st.lists(objects(3) | st.sampled_from(["]", [], 1, None]), max_size=5),
    style=STYLES,
    space=SPACES,
)
def test_items_come_out_as_they_went_in(values: list[object], style: Style, space: str) -> None:
    texts = [write(value, style).strip() for value in values]
    listed = f",{space}".join(f"{space}{text}{space}" for text in texts)
    body = f'{space}{{"a":[1,"]"],{space}"items"{space}:[{listed}],"b":{{}}}}{space}'

    assert split_items(body.encode()) == texts


@given(text=st.text('{}[]",:\\ aitems0', max_size=30))
def test_anything_else_is_malformed_or_has_no_such_list(text: str) -> None:
    try:
        found = split_items(text.encode())
    except Malformed:
        return
    value = json.loads(text)
    items = value.get("items")
    assert found == (None if not isinstance(items, list) else found)
    assert [json.loads(one) for one in found or ()] == (items if isinstance(items, list) else [])


@pytest.mark.parametrize(
    "item",
    [
        "NaN",
        "-Infinity",
        "1e999",
        '{"a":1,"a":2}',
        '"\\u0000"',
        '"\\ud800"',
        '"\\uDC00\\ud800"',
        '"\\\\ud800"',
        '"a\x01b\tc\0"',
        "[1,\x01 2]",
        "1NaN",
        '{"NaN":Infinity,"é":"-Infinity"}',
        "[" * 40 + "]" * 40,
    ],
)
def test_what_only_an_item_does_wrong_is_left_to_it(item: str) -> None:
    assert split_items(f'{{"items":[1,{item}]}}'.encode()) == ["1", item]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"items"}',
        b'{"items":[}',
        b'{"items":[1 2]}',
        b'{"items":[1,]}',
        b'{"items":[1]]}',
        b'{"items":[1]},',
        b'{"items":[1],}',
        b"{items:[1]}",
        b'{"items":[1],"items":[1]}',
        b'{"a":1,"a":1,"items":[]}',
        b'{"a":{"b":1,"b":1},"items":[]}',
        b'{"a":NaN,"items":[]}',
        b'{"\\u0000":1,"items":[]}',
        b'{"a":' + b"1" * 5_000 + b',"items":[]}',
        b'{"items":["\xff"]}',
        b'{"items":[1,\x01 2]}',
        b'{"items":[1\x01,2]}',
        b'{"items":\x01[1,2]}',
        b'{\x01"items":[1,2]}',
        b'{"items"\x01:[1,2]}',
        b'\x01{"items":[1,2]}',
        b'{"items":[1,2]}\x01',
        b'{"items":["\\x"]}',
        b'{"items":["a]}',
        b'{"items":[0NaN]}',
        b'{"items":[NaNNaN]}',
        b'{"a":"\x01","items":[]}',
        b'{"a":' + b"[" * 40 + b"]" * 40 + b',"items":[]}',
        b'{"items":' + b"[" * 9_000,
    ],
)
def test_what_is_wrong_around_the_list_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        split_items(body)


@pytest.mark.parametrize("body", [b"{}", b'{"items":{}}', b'{"items":null}', b'{"item":[]}'])
def test_without_a_list_there_is_none(body: bytes) -> None:
    assert split_items(body) is None


def test_no_depth_beside_the_items_is_too_much_for_it() -> None:
    """Of the parsers each gives up at another depth."""
    for depth in range(33, 1_100):
        with pytest.raises(Malformed):
            split_items(b'{"a":' + b"[" * depth + b"]" * depth + b',"items":[]}')


def test_of_too_many_items_it_gives_one_more_than_allowed() -> None:
    body = b'{"items":[' + b"0," * 1_000 + b"0]}"

    assert split_items(body) == ["0"] * (BATCH_ITEMS_MAX + 1)


def test_what_stands_beside_the_items_is_bounded() -> None:
    beside = BATCH_BESIDE_BYTES_MAX - len('{"a":"","items":}')
    items = json.dumps([{"b": "é" * beside}] * 3, ensure_ascii=False)

    found = split_items(f'{{"a":"{"x" * beside}","items":{items}}}'.encode())

    assert found == [json.dumps({"b": "é" * beside}, ensure_ascii=False)] * 3
    with pytest.raises(Malformed, match="beside"):
        split_items(f'{{"a":"{"x" * beside}","items":{items} }}'.encode())


def test_the_names_beside_the_items_are_bounded() -> None:
    names = [f'"{number}":0' for number in range(BATCH_NAMES_MAX)]

    assert split_items(f'{{{",".join(names[1:])},"items":[1]}}'.encode()) == ["1"]
    with pytest.raises(Malformed, match="fields"):
        split_items(f'{{{",".join(names)},"items":[1]}}'.encode())


HOSTILE = {
    "items": b'{"items":[%s0]}',
    "beside the items": b'{"a":[%s0],"items":[0]}',
    "in an item": b'{"items":[{"a":[%s0]}]}',
}


@pytest.mark.parametrize("where", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("unit", [b"0,", b"{},", b"1.5,", b'"",', b'{"a":1},', b"NaN,", b'"\x01",'])
def test_the_work_does_not_grow_with_the_number_of_values(where: bytes, unit: bytes) -> None:
    """A server has one thread: whoever can make it count to a million stops everybody."""
    body = where % (unit * ((BATCH_BODY_BYTES_MAX - len(where)) // len(unit)))

    assert calls_made_by(lambda: split_items(body)) < 50 * BATCH_ITEMS_MAX


def test_many_names_are_not_many_steps() -> None:
    names = b"".join(b'"%x":0,' % number for number in range(6_000))
    body = b'{%s"items":[0]}' % names

    assert calls_made_by(lambda: split_items(body)) < 100 * BATCH_NAMES_MAX


def calls_made_by(work: Callable[[], object]) -> int:
    """Count calls, those into the interpreter's own libraries as well."""
    count = 0

    def note(_: object, event: str, __: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        with contextlib.suppress(Malformed):
            work()
    finally:
        sys.setprofile(None)
    return count
