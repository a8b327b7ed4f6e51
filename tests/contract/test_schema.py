"""The served document is a sound OpenAPI 3.1 document and agrees with the code."""

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from orchestrion.api.schema import document
from orchestrion.core import bodies
from orchestrion.core.errors import CATALOGUE, ActionCode, ErrorCode
from orchestrion.core.operations import OPERATIONS, PAGES, Access, Operation
from orchestrion.core.plans import PLAN_IDS
from orchestrion.core.task import Status
from tests.contract.documents import PYTHON_ONLY, served

ROUTES = OPERATIONS + PAGES
STRUCTS: dict[str, type[msgspec.Struct]] = {
    "Task": bodies.TaskAnswer,
    "ErrorResponse": bodies.ErrorAnswer,
    "PageInfo": bodies.PageInfo,
    "KeyRegistrationResponse": bodies.KeyAnswer,
    "PlanDefinition": bodies.PlanAnswer,
    "BillingStatusResponse": bodies.BillingStatusAnswer,
    "BillingContext": bodies.BillingContext,
    "ErrorDetails": bodies.ErrorDetails,
}


def test_the_checked_in_document_is_what_the_code_builds() -> None:
    assert served() == json.loads(msgspec.json.encode(document()))


def test_every_reference_leads_somewhere() -> None:
    whole = served()

    for node in _nodes(whole):
        if "$ref" in node:
            assert _followed(whole, node["$ref"])


def test_every_schema_is_valid_json_schema() -> None:
    for schema in _schemas(served()):
        Draft202012Validator.check_schema(schema)


def test_every_pattern_is_one_that_json_schema_knows() -> None:
    patterns = [node["pattern"] for node in _nodes(served()) if "pattern" in node]

    assert patterns
    assert [one for one in patterns if PYTHON_ONLY.search(str(one))] == []


def test_every_component_is_used() -> None:
    whole = served()
    used = {node["$ref"] for node in _nodes(whole) if "$ref" in node}
    kinds = whole["components"].items()

    components = {
        f"#/components/{kind}/{name}"
        for kind, named in kinds
        if kind != "securitySchemes"
        for name in named
    }

    assert components - used == set()


def test_every_operation_has_a_unique_id_that_is_its_name() -> None:
    found = [operation["operationId"] for _, operation in _operations(served())]

    assert sorted(found) == sorted(row.name for row in ROUTES)
    assert len(set(found)) == len(found)


def test_every_operation_is_described_and_has_examples() -> None:
    for place, operation in _operations(served()):
        assert operation["summary"], place
        assert operation["description"], place
        assert operation["tags"], place
        for content in _contents(operation):
            assert "example" in content or content.get("examples"), place


def test_the_path_parameters_are_those_of_the_path() -> None:
    for place, operation in _operations(served()):
        in_path = re.findall(r"\{(\w+)\}", place)
        declared = [one["name"] for one in operation["parameters"] if one.get("in") == "path"]

        assert declared == in_path, place


def test_links_lead_to_operations() -> None:
    names = {row.name for row in ROUTES}
    links = [
        link
        for _, operation in _operations(served())
        for answer in operation["responses"].values()
        for link in answer.get("links", {}).values()
    ]

    assert links
    assert {link["operationId"] for link in links} <= names


def test_the_examples_are_valid() -> None:
    whole = served()
    examples = AnswerExamples(whole)

    for place, operation in _operations(whole):
        for content in _contents(operation):
            validator = examples.validator(content["schema"])
            for value in examples.values(content):
                assert list(validator.iter_errors(value)) == [], place


@pytest.mark.parametrize("row", ROUTES, ids=lambda row: row.name)
def test_the_statuses_of_an_operation_follow_from_its_row(row: Operation) -> None:
    answers = _operation(row)["responses"]

    expected = {row.status, 400, 405, 500, 503}
    expected |= {CATALOGUE[code].statuses[0] for code in row.refusals}
    if row.access is Access.KEYED:
        expected |= {401, 429}
    if row.body is not None:
        expected |= {413, 415}

    assert {str(status) for status in expected} <= set(answers)


def test_the_statuses_beyond_the_specification_are_there() -> None:
    def has(path: str, *statuses: str) -> bool:
        (operation,) = served()["paths"][path].values()
        return set(statuses) <= set(operation["responses"])

    assert "402" in served()["paths"]["/v1/tasks"]["post"]["responses"]
    assert has("/v1/tasks/claim", "402", "409", "429")
    assert has("/v1/tasks/{id}/claim", "402", "409", "429")
    assert has("/v1/billing/verify", "402", "404", "410", "413", "415")
    assert has("/v1/capabilities", "304", "400", "405", "429", "500", "503")


def test_every_answer_names_its_request_and_each_refusal_its_headers() -> None:
    whole = served()
    needed = {
        "401": "WWW-Authenticate",
        "405": "Allow",
        "429": "Retry-After",
        "503": "Retry-After",
        "304": "ETag",
    }

    for place, operation in _operations(whole):
        for status, answer in operation["responses"].items():
            headers = _resolved(whole, answer)["headers"]
            assert "X-Request-Id" in headers, (place, status)
            assert needed.get(status, "X-Request-Id") in headers, (place, status)


def test_limited_operations_say_where_the_limit_stands() -> None:
    for path, method, status, header in (
        ("/v1/tasks", "post", "201", "RateLimit"),
        ("/v1/tasks", "post", "201", "Idempotent-Replayed"),
        ("/v1/tasks", "get", "200", "Link"),
        ("/v1/tasks/claim", "post", "200", "RateLimit-Policy"),
        ("/v1/schema", "get", "200", "ETag"),
    ):
        assert header in served()["paths"][path][method]["responses"][status]["headers"]


def test_closed_sets_are_those_of_the_code() -> None:
    schemas = served()["components"]["schemas"]

    assert schemas["ErrorResponse"]["properties"]["error"]["enum"] == list(ErrorCode)
    assert schemas["Action"]["properties"]["action"]["enum"] == list(ActionCode)
    assert schemas["Task"]["properties"]["status"]["enum"] == list(Status)
    assert schemas["PlanDefinition"]["properties"]["id"]["enum"] == list(PLAN_IDS)


@pytest.mark.parametrize("name", STRUCTS)
def test_an_answer_has_the_fields_of_its_struct(name: str) -> None:
    schema = served()["components"]["schemas"][name]
    fields = msgspec.structs.fields(STRUCTS[name])

    assert list(schema["properties"]) == _in_order(schema, fields)
    assert set(schema["required"]) <= {one.encode_name for one in fields if one.required}


class AnswerExamples:
    """The examples of a document beside validators that know its references."""

    def __init__(self, whole: dict[str, Any]) -> None:
        self._whole = whole

    def validator(self, schema: dict[str, Any]) -> Draft202012Validator:
        return Draft202012Validator({**schema, "components": self._whole["components"]})

    def values(self, content: dict[str, Any]) -> Iterator[object]:
        if "example" in content:
            yield content["example"]
        for example in content.get("examples", {}).values():
            yield _resolved(self._whole, example)["value"]


def _in_order(schema: dict[str, Any], fields: tuple[msgspec.structs.FieldInfo, ...]) -> list[str]:
    names = {one.encode_name for one in fields}
    return [name for name in schema["properties"] if name in names] + sorted(
        names - schema["properties"].keys()
    )


def _operation(row: Operation) -> dict[str, Any]:
    operation: dict[str, Any] = served()["paths"][row.path][row.method.lower()]
    return operation


def _operations(whole: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in whole["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def _contents(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    whole = served()
    parts = [operation.get("requestBody", {}), *operation["responses"].values()]
    for part in parts:
        yield from _resolved(whole, part).get("content", {}).values()


def _schemas(whole: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from whole["components"]["schemas"].values()
    for node in _nodes(whole):
        if isinstance(node.get("schema"), dict):
            yield node["schema"]


def _nodes(node: object) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _nodes(value)
    elif isinstance(node, list):
        for value in node:
            yield from _nodes(value)


def _resolved(whole: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    return _followed(whole, node["$ref"]) if "$ref" in node else node


def _followed(whole: dict[str, Any], reference: str) -> dict[str, Any]:
    found: Any = whole
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    node: dict[str, Any] = found
    return node
