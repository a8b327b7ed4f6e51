"""The served document contains the specification: nothing missing, renamed, narrowed, retyped."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest

from tests.contract.comparison import shortcomings
from tests.contract.documents import served_to_the_specification as served
from tests.contract.documents import specification

# Inputs that the specification leaves unbounded. Any other new bound is refused.
BOUNDS_ADDED = frozenset(
    {
        "GET /v1/tasks claimed_by maxLength",
        "GET /v1/tasks claimed_by minLength",
        "GET /v1/tasks cursor maxLength",
        "GET /v1/tasks type maxLength",
        "GET /v1/tasks type minLength",
        "GET /v1/tasks type pattern",
        "POST /v1/keys/register body email maxLength",
        "POST /v1/keys/register body email minLength",
        "POST /v1/keys/register body email pattern",
        "POST /v1/tasks body idempotencyKey minLength",
        "POST /v1/tasks body idempotencyKey pattern",
        "POST /v1/tasks body type minLength",
        "POST /v1/tasks/claim body type maxLength",
        "POST /v1/tasks/claim body type minLength",
        "POST /v1/tasks/claim body type pattern",
        "POST /v1/tasks/claim body worker_id maxLength",
        "POST /v1/tasks/claim body worker_id minLength",
        "POST /v1/tasks/{id}/claim body worker_id maxLength",
        "POST /v1/tasks/{id}/claim body worker_id minLength",
        "POST /v1/tasks/{id}/complete body output_id maxLength",
        "POST /v1/tasks/{id}/complete body output_id minLength",
        "POST /v1/tasks/{id}/complete body output_id not",
    }
)

Document = dict[str, Any]
Change = Callable[[Document], object]


def test_the_served_document_contains_the_specification() -> None:
    assert shortcomings(specification(), served(), BOUNDS_ADDED) == []


def test_every_allowed_bound_is_one_that_was_added() -> None:
    for bound in BOUNDS_ADDED:
        found = shortcomings(specification(), served(), BOUNDS_ADDED - {bound})

        assert found == [f"{bound}: added, which narrows"]


def test_the_specification_copy_holds_structure_only() -> None:
    words = {"summary", "description", "example", "examples"}

    found = [
        place
        for place, key, _ in _entries(specification(), ())
        if key in words and place[-1:] != ("properties",)
    ]

    assert found == []


def test_anything_taken_out_of_the_served_document_is_found() -> None:
    original = served()
    whole = specification()
    missed = []

    for place, key, _ in _entries(whole, ()):
        changed = _without(original, place, key)
        if not shortcomings(whole, changed, BOUNDS_ADDED):
            missed.append((*place, key))

    assert missed == []


def test_any_changed_value_is_found() -> None:
    original = served()
    whole = specification()
    missed = []

    for place, key, value in _entries(whole, ()):
        if isinstance(value, dict | list):
            continue
        changed = _with(original, place, key, _another(value))
        if not shortcomings(whole, changed, BOUNDS_ADDED):
            missed.append((*place, key))

    assert missed == []


def _schema(document: Document, name: str) -> Document:
    schema: Document = document["components"]["schemas"][name]
    return schema


def _body(document: Document, path: str) -> Document:
    operation = document["paths"][path]["post"]
    body: Document = operation["requestBody"]["content"]["application/json"]["schema"]
    return body


NARROWED: dict[str, Change] = {
    "a closed body": lambda d: _body(d, "/v1/tasks").update(additionalProperties=False),
    "a bound on an answer": lambda d: _schema(d, "Task")["properties"]["id"].update(maxLength=30),
    "a new required input": lambda d: _body(d, "/v1/tasks")["required"].append("priority"),
    "an input required at last": lambda d: _body(d, "/v1/keys/register").update(required=["email"]),
    "a body required at last": lambda d: d["paths"]["/v1/keys/register"]["post"][
        "requestBody"
    ].update(required=True),
    "a required header": lambda d: d["paths"]["/v1/tasks"]["post"]["parameters"].append(
        {"name": "X-New", "in": "header", "required": True, "schema": {"type": "string"}}
    ),
    "a smaller set": lambda d: _schema(d, "Task")["properties"]["status"]["enum"].pop(),
    "a larger closed set": lambda d: _schema(d, "ErrorResponse")["properties"]["error"][
        "enum"
    ].append("teapot"),
    "a format on an input": lambda d: _body(d, "/v1/keys/register")["properties"]["email"].update(
        format="email"
    ),
    "an answer without its null": lambda d: _schema(d, "Task")["properties"]["scheduledAt"].update(
        type="string"
    ),
    "a third kind of claim": lambda d: d["paths"]["/v1/tasks/claim"]["post"]["responses"]["200"][
        "content"
    ]["application/json"]["schema"]["oneOf"].append({"type": "object"}),
    "a key asked of a public path": lambda d: d["paths"]["/health"]["get"].update(
        security=[{"BearerAuth": []}]
    ),
    "a body asked of a verb without one": lambda d: d["paths"]["/v1/tasks/{id}/cancel"][
        "post"
    ].update(requestBody={"required": True, "content": {}}),
}


@pytest.mark.parametrize("change", NARROWED.values(), ids=NARROWED.keys())
def test_what_is_narrowed_is_found(change: Change) -> None:
    changed = deepcopy(served())

    change(changed)

    assert len(shortcomings(specification(), changed, BOUNDS_ADDED)) == 1


WIDENED: dict[str, Change] = {
    "a path": lambda d: d["paths"].update({"/v1/new": {"get": {"responses": {}}}}),
    "a field of an answer": lambda d: _schema(d, "Task")["properties"].update(new={}),
    "an optional input": lambda d: _body(d, "/v1/tasks")["properties"].update(new={}),
    "a status": lambda d: d["paths"]["/health"]["get"]["responses"].update({"418": {}}),
    "words": lambda d: _schema(d, "Task").update(description="Anything."),
}


@pytest.mark.parametrize("change", WIDENED.values(), ids=WIDENED.keys())
def test_what_is_added_is_allowed(change: Change) -> None:
    changed = deepcopy(served())

    change(changed)

    assert shortcomings(specification(), changed, BOUNDS_ADDED) == []


def _entries(
    node: object, place: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], str | int, object]]:
    if isinstance(node, dict):
        pairs: list[tuple[str | int, object]] = list(node.items())
    elif isinstance(node, list):
        pairs = list(enumerate(node))
    else:
        return
    for key, value in pairs:
        yield place, key, value
        yield from _entries(value, (*place, key))


def _at(document: Any, place: tuple[str | int, ...]) -> Any:  # noqa: ANN401 - plain JSON
    for step in place:
        document = document[step]
    return document


def _branch(document: Document, place: tuple[str | int, ...]) -> Document:
    # Only what stands on the way is copied: thousands of whole copies would take minutes.
    top: Any = dict(document)
    node = top
    for step in place:
        node[step] = node[step].copy()
        node = node[step]
    changed: Document = top
    return changed


def _without(document: Document, place: tuple[str | int, ...], key: str | int) -> Document:
    changed = _branch(document, place)
    del _at(changed, place)[key]
    return changed


def _with(
    document: Document, place: tuple[str | int, ...], key: str | int, value: object
) -> Document:
    changed = _branch(document, place)
    _at(changed, place)[key] = value
    return changed


def _another(value: object) -> object:
    return json.dumps(value) + "x" if isinstance(value, str) else str(value)
