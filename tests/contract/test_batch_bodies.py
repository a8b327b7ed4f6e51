"""What the schema says of the items in a body is what the structs that decode them accept."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from orchestrion.core.batch_operations import BATCH_OPERATIONS
from orchestrion.core.limits import BATCH_ITEMS_MAX
from orchestrion.core.operations import BY_NAME, Operation
from tests.contract.documents import served
from tests.contract.test_bodies import NUMBERS, OTHERS, SAMPLES, TEXTS

ONE = {**SAMPLES, "id": "tsk_01M814NJ33M9S346Q3D25VT4F5"}
# Checked beside the struct, on the text.
CHECKED_ELSEWHERE = {"payload", "result", "scheduledAt"}
NESTED = [("complete_task", "claim_next"), ("fail_task", "claim_next")]


def _body(row: Operation) -> dict[str, Any]:
    operation = served()["paths"][row.path]["post"]
    schema: dict[str, Any] = operation["requestBody"]["content"]["application/json"]["schema"]
    # In JSON Schema `$` is the very end; Python's lets a newline follow.
    strict: dict[str, Any] = json.loads(json.dumps(schema).replace('$"', r'\\Z"'))
    return strict


def _fields() -> Iterator[tuple[Operation, str]]:
    for row in BATCH_OPERATIONS:
        for name in _body(row)["properties"]["items"]["items"]["properties"]:
            if name not in CHECKED_ELSEWHERE:
                yield row, name


@pytest.mark.parametrize(
    ("row", "name"), list(_fields()), ids=lambda one: getattr(one, "name", one)
)
def test_schema_and_struct_accept_the_same_items(row: Operation, name: str) -> None:
    schema = _body(row)
    required = schema["properties"]["items"]["items"]["required"]
    item = {key: ONE[key] for key in required}

    for value in (*TEXTS, *NUMBERS, *OTHERS):
        body = {"items": [item, {**item, name: value}]}

        assert _decodes(row, body) == Draft202012Validator(schema).is_valid(body), value


@pytest.mark.parametrize("row", BATCH_OPERATIONS, ids=lambda row: row.name)
def test_the_number_of_items_is_bounded(row: Operation) -> None:
    items = _body(row)["properties"]["items"]

    assert (items["minItems"], items["maxItems"]) == (1, BATCH_ITEMS_MAX)


@pytest.mark.parametrize(("operation", "field"), NESTED)
def test_schema_and_struct_accept_the_same_claims_behind_an_end(operation: str, field: str) -> None:
    row = BY_NAME[operation]
    schema = _body(row)
    properties = schema["properties"][field]["properties"]

    for name in properties:
        for value in (*TEXTS, *NUMBERS, *OTHERS):
            body = {field: {"type": "report", name: value}}
            assert _decodes(row, body) == Draft202012Validator(schema).is_valid(body), value


def _decodes(row: Operation, body: object) -> bool:
    assert row.body is not None
    try:
        msgspec.json.decode(json.dumps(body), type=row.body)
    except msgspec.ValidationError:
        return False
    return True
