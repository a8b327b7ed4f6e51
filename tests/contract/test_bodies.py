"""What the schema says of request bodies is what the structs that decode them accept."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from orchestrion.core.bodies import (
    CheckoutBody,
    ClaimNextBody,
    CompleteAndClaimBody,
    CreateBody,
    FailAndClaimBody,
    NoBody,
    VerifyBody,
)
from orchestrion.core.operations import OPERATIONS, Operation
from tests.contract.documents import served

WITH_BODIES = [row for row in OPERATIONS if row.body not in (None, NoBody)]
SAMPLES: dict[str, object] = {
    "type": "report",
    "payload": {},
    "items": [],
    "ids": ["tsk_01M814NJ33M9S346Q3D25VT4F5"],
    "planId": "basic",
    "purchaseId": "pur_01M814R073SS6YS3C4DWA7N360",
    "lease_token": "lse_0f1e2d3c4b5a69788796a5b4c3d2e1f00f",
}
TEXTS = (
    *("", "a", "a b", "a.b", "x\n", "é", "\x1f", "~", "@", "a@b", "a@b.c", "a@b.c\n", "A-z_09"),
    *("x" * length for length in (64, 65, 100, 101, 200, 201, 254, 255, 256, 500, 501)),
    *("a@b." + "c" * length for length in (250, 251)),
)
NUMBERS = (-1, 0, 1, 2, 10, 11, 29, 30, 100, 101, 3_600, 3_601, 86_400, 86_401)
OTHERS: tuple[object, ...] = (None, True, 1.5, "1", [], {}, {"a": 1})

# Checked beside the struct, by code that says more than "wrong".
CHECKED_ELSEWHERE = {
    (CreateBody, "payload"),
    (CreateBody, "scheduledAt"),
    (CheckoutBody, "planId"),
    (VerifyBody, "purchaseId"),
    (CompleteAndClaimBody, "claim_next"),
    (FailAndClaimBody, "claim_next"),
}


# Of which fields one is needed; the first is what the specification requires.
ONE_OF: dict[type[msgspec.Struct], list[str]] = {ClaimNextBody: ["type", "types"]}


def _schema(row: Operation) -> dict[str, Any]:
    operation = served()["paths"][row.path][row.method.lower()]
    schema: dict[str, Any] = operation["requestBody"]["content"]["application/json"]["schema"]
    return schema


def _fields() -> Iterator[tuple[Operation, str]]:
    for row in WITH_BODIES:
        for name in _schema(row)["properties"]:
            if (row.body, name) not in CHECKED_ELSEWHERE and name != "result":
                yield row, name


@pytest.mark.parametrize("row", WITH_BODIES, ids=lambda row: row.name)
def test_the_fields_and_the_required_ones_are_the_structs(row: Operation) -> None:
    assert row.body is not None
    fields = msgspec.structs.fields(row.body)
    schema = _schema(row)

    assert list(schema["properties"]) == [field.encode_name for field in fields]
    required = [one.encode_name for one in fields if one.required]
    assert schema.get("required", []) == required
    ways = [way["required"] for way in schema.get("anyOf", [])]
    assert ways == [[name] for name in ONE_OF.get(row.body, [])]
    assert all(shape["description"] for shape in schema["properties"].values())


@pytest.mark.parametrize(
    ("row", "name"), list(_fields()), ids=lambda one: getattr(one, "name", one)
)
def test_schema_and_struct_accept_the_same_values(row: Operation, name: str) -> None:
    assert row.body is not None
    decoder = msgspec.json.Decoder(row.body)
    validator = Draft202012Validator(_with_strict_ends(_schema(row)))
    needed = [*_schema(row).get("required", []), *ONE_OF.get(row.body, [])[:1]]
    required = {key: SAMPLES[key] for key in needed}

    for value in (*TEXTS, *NUMBERS, *OTHERS):
        body = {**required, name: value}

        assert _decodes(decoder, body) == validator.is_valid(body), value


@pytest.mark.parametrize("row", WITH_BODIES, ids=lambda row: row.name)
def test_defaults_are_the_structs(row: Operation) -> None:
    assert row.body is not None
    defaults = {
        field.encode_name: field.default
        for field in msgspec.structs.fields(row.body)
        if isinstance(field.default, int | str)
    }

    shown = {
        name: shape["default"]
        for name, shape in _schema(row)["properties"].items()
        if "default" in shape
    }

    assert shown == defaults


def test_a_claim_names_one_type_or_several() -> None:
    (row,) = (row for row in OPERATIONS if row.name == "claim_next_task")
    validator = Draft202012Validator(_schema(row))

    assert validator.is_valid({"type": "read"})
    assert validator.is_valid({"types": ["read", "write"], "wait_seconds": 50})
    assert not validator.is_valid({"worker_id": "me"})


def test_documents_must_be_objects() -> None:
    for path, name in (("/v1/tasks", "payload"), ("/v1/tasks/{id}/complete", "result")):
        operation = served()["paths"][path]["post"]
        schema = operation["requestBody"]["content"]["application/json"]["schema"]

        assert schema["properties"][name]["type"] == "object"


def test_an_output_is_no_place_in_a_path() -> None:
    (row,) = (row for row in OPERATIONS if row.name == "complete_task")
    validator = Draft202012Validator(_schema(row))

    assert validator.is_valid({"output_id": "..."})
    assert not validator.is_valid({"output_id": "."})
    assert not validator.is_valid({"output_id": ".."})


def _with_strict_ends(schema: dict[str, Any]) -> dict[str, Any]:
    # In JSON Schema `$` is the very end; Python's lets a newline follow.
    strict: dict[str, Any] = json.loads(json.dumps(schema).replace('$"', r'\\Z"'))
    return strict


def _decodes(decoder: msgspec.json.Decoder[Any], body: dict[str, object]) -> bool:
    try:
        decoder.decode(json.dumps(body))
    except msgspec.ValidationError:
        return False
    return True
