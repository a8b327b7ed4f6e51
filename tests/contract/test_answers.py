"""The check on answers lets good ones pass and finds each kind of bad one."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.answers import AnswerCheck
from tests.contract.documents import served

EXAMPLES = served()["components"]["examples"]
REQUEST_ID = "req_01M814Q2XKP1XPA7Z3DJ8FSSZ5"
HEADERS = {"Content-Type": "application/json", "X-Request-Id": REQUEST_ID}
TASK = "/v1/tasks/tsk_01M814NJ33M9S346Q3D25VT4F5"

Json = dict[str, Any]
CHECK = AnswerCheck()


def example(name: str) -> Json:
    value: Json = json.loads(json.dumps(EXAMPLES[name]["value"]))
    return value


def check(request: str, status: int, body: object, headers: dict[str, str] | None = None) -> None:
    method, path = request.split()
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    CHECK.check(method, path, status, headers or HEADERS, raw)


@pytest.mark.parametrize(
    ("request_line", "status", "name"),
    [
        ("POST /v1/tasks", 201, "task_pending"),
        (f"GET {TASK}", 200, "task_overdue"),
        ("GET /v1/tasks/{id}", 200, "task_completed"),
        ("POST /v1/tasks/claim", 200, "claim_found"),
        ("POST /v1/tasks/claim", 200, "claim_empty"),
        (f"POST {TASK}/claim", 200, "claim_found"),
        (f"POST {TASK}/complete", 409, "lease_expired"),
        ("GET /v1/tasks", 200, "page_with_more"),
        ("GET /health", 200, "health"),
        ("POST /v1/billing/verify", 404, "unknown_purchase"),
        ("GET /nowhere", 404, "invalid_request"),
    ],
)
def test_good_answers_pass(request_line: str, status: int, name: str) -> None:
    check(request_line, status, example(name))


def test_a_wrong_method_answers_with_an_error() -> None:
    check("DELETE /v1/tasks", 405, example("wrong_method"))


def test_an_unchanged_document_has_no_body() -> None:
    check("GET /v1/schema", 304, b"", {"X-Request-Id": REQUEST_ID, "ETag": '"1"'})
    check("HEAD /v1/schema", 200, b"")
    check("HEAD /nowhere", 404, b"")
    with pytest.raises(AssertionError, match="must have no body"):
        check("GET /v1/schema", 304, b"{}")


def test_a_page_has_its_media_type() -> None:
    headers = {"Content-Type": "text/markdown; charset=utf-8", "X-Request-Id": REQUEST_ID}

    check("GET /AGENTS.md", 200, b"# Guide", headers)
    with pytest.raises(AssertionError, match="text/markdown"):
        check("GET /AGENTS.md", 200, b"# Guide")


def test_a_status_the_document_does_not_know_is_found() -> None:
    with pytest.raises(AssertionError, match="POST /v1/tasks answered 418"):
        check("POST /v1/tasks", 418, example("invalid_request"))
    with pytest.raises(AssertionError, match="no such operation"):
        check("GET /nowhere", 200, {})


CHANGES: dict[str, tuple[Callable[[Json], object], str]] = {
    "missing field": (lambda body: body.pop("createdAt"), "'createdAt' is a required"),
    "unknown field": (lambda body: body.update(lease_token="x"), "lease_token"),
    "null": (lambda body: body.update(type=None), "None is not of type 'string'"),
    "closed set": (lambda body: body.update(status="lost"), "'lost' is not one of"),
    "bound": (lambda body: body.update(priority=101), "101 is greater"),
    "microseconds": (
        lambda body: body.update(createdAt="2026-11-22T08:06:25.123456Z"),
        "is not a 'date-time'",
    ),
    "impossible date": (
        lambda body: body.update(createdAt="2026-02-30T08:06:25.123Z"),
        "is not a 'date-time'",
    ),
    "offset": (
        lambda body: body.update(updatedAt="2026-11-22T08:06:25.123+00:00"),
        "is not a 'date-time'",
    ),
    "unknown field within": (
        lambda body: body["agent_contract"].update(hint=1),
        r"\$.agent_contract: Additional",
    ),
    "two recommended": (
        lambda body: body["agent_contract"]["next_actions"][1].update(recommended=True),
        "one action must be recommended",
    ),
    "recommended later": (
        lambda body: body["agent_contract"]["next_actions"].reverse(),
        "stand first",
    ),
    "recommended and impossible": (
        lambda body: body["agent_contract"]["next_actions"][0].update(available=False),
        "not available",
    ),
}


@pytest.mark.parametrize(("change", "told"), CHANGES.values(), ids=CHANGES.keys())
def test_a_wrong_body_is_found(change: Callable[[Json], object], told: str) -> None:
    body = example("task_pending")

    change(body)

    with pytest.raises(AssertionError, match=told):
        check("POST /v1/tasks", 201, body)


def test_missing_guidance_is_found_even_where_the_schema_leaves_it_optional() -> None:
    for request, status, name in (
        ("POST /v1/keys/register", 201, "key"),
        ("GET /v1/tasks", 200, "page_empty"),
        ("GET /v1/billing/plans", 200, "plans"),
    ):
        body = example(name)
        check(request, status, body)

        del body["agent_contract"]

        with pytest.raises(AssertionError, match="no agent_contract"):
            check(request, status, body)


def test_a_body_that_is_not_json_is_found() -> None:
    with pytest.raises(AssertionError, match="not JSON"):
        check("POST /v1/tasks", 201, b"Internal Server Error")
    with pytest.raises(AssertionError, match="its type is 'text/plain'"):
        check("GET /nowhere", 404, b"Not Found", {"Content-Type": "text/plain"})


def test_missing_headers_are_found() -> None:
    with pytest.raises(AssertionError, match="x-request-id is missing"):
        check("GET /health", 200, example("health"), {"Content-Type": "application/json"})
    with pytest.raises(AssertionError, match="www-authenticate is missing"):
        check("POST /v1/tasks", 401, example("missing_api_key"))
    with pytest.raises(AssertionError, match="retry-after is missing"):
        check("POST /v1/tasks", 429, example("rate_limited"))


def test_headers_that_contradict_the_body_are_found() -> None:
    body = example("rate_limited")
    check("POST /v1/tasks", 429, body, {**HEADERS, "Retry-After": "212"})

    with pytest.raises(AssertionError, match="Retry-After says 5"):
        check("POST /v1/tasks", 429, body, {**HEADERS, "Retry-After": "5"})
    other = {**HEADERS, "Retry-After": "212", "X-Request-Id": "req_other"}
    with pytest.raises(AssertionError, match="request_id differ"):
        check("POST /v1/tasks", 429, body, other)
