"""A list in a body comes apart at the same places for which any parser would take it apart."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrion.core.json_items import split_items
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

    assert split_items(body.encode(), "items") == texts


@given(text=st.text('{}[]",:\\ aitems0', max_size=30))
def test_anything_else_is_malformed_or_has_no_such_list(text: str) -> None:
    try:
        found = split_items(text.encode(), "items")
    except Malformed:
        return
    value = json.loads(text)
    items = value.get("items")
    assert found == (None if not isinstance(items, list) else found)
    assert [json.loads(one) for one in found or ()] == (items if isinstance(items, list) else [])


@pytest.mark.parametrize("item", ["NaN", "-Infinity", "1e999", '{"a":1,"a":2}', '"\\u0000"'])
def test_what_only_an_item_does_wrong_is_left_to_it(item: str) -> None:
    assert split_items(f'{{"items":[1,{item}]}}'.encode(), "items") == ["1", item]


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
        b'{"items":' + b"[" * 40 + b"]" * 40 + b"}",
    ],
)
def test_what_is_wrong_around_the_list_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        split_items(body, "items")


@pytest.mark.parametrize("body", [b"{}", b'{"items":{}}', b'{"items":null}', b'{"item":[]}'])
def test_without_a_list_there_is_none(body: bytes) -> None:
    assert split_items(body, "items") is None
