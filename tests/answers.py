"""Holds every answer of the HTTP tests against the served schema and the promises around it."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from jsonschema import Draft202012Validator, FormatChecker
from msgspec.structs import replace

from orchestrion.documents import read_document

Json = Mapping[str, Any]

_JSON = "application/json"
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
_ERRORS_SHOWN = 3
_BODY_SHOWN = 600


class AnswerCheck:
    """Knows the statuses, headers and bodies that the served document promises."""

    def __init__(self, document: Json | None = None) -> None:
        self._book = _served_book() if document is None else _Book(document)

    def check(
        self, method: str, path: str, status: int, headers: Mapping[str, str], body: bytes
    ) -> None:
        """Raise AssertionError if the answer is not one that the document describes.

        `path` is a template of the document or a concrete path, perhaps with its query.
        """
        path, _, query = path.partition("?")
        answer = _Answer(
            request=f"{method} {path}",
            status=status,
            headers={name.lower(): value for name, value in headers.items()},
            body=body,
        )
        operation = self._book.find("GET" if method == "HEAD" else method, path)
        if operation is None:
            self._check_stray(answer)
            return
        promise = operation.get(status)
        if promise is None:
            known = ", ".join(str(one) for one in operation)
            raise answer.wrong(f"its operation has only the statuses {known}")
        _check_headers(answer, promise)
        if not answer.bodiless:
            _check_body(answer, promise.asked(query))

    def _check_stray(self, answer: "_Answer") -> None:
        # No operation: a path or a method the document does not know. Preflights have no body.
        if answer.request.startswith("OPTIONS ") and answer.status == 200:
            return
        if answer.status < 400:
            raise answer.wrong("the document knows no such operation")
        if not answer.bodiless:
            _check_body(answer, self._book.error)


class _Promise(msgspec.Struct, frozen=True, kw_only=True):
    """What one status of one operation looks like; no media means no body."""

    media: str = ""
    validator: Draft202012Validator | None = None
    # Of the view `compact`, and where `fields` were chosen.
    compact: Draft202012Validator | None = None
    partial: Draft202012Validator | None = None
    headers: tuple[str, ...] = ()
    guided: bool = False

    def asked(self, query: str) -> "_Promise":
        """Give what is promised to a request with this query."""
        parameters = parse_qs(query)
        if self.partial is not None and "fields" in parameters:
            return replace(self, validator=self.partial)
        if self.compact is not None and parameters.get("view") == ["compact"]:
            return replace(self, validator=self.compact)
        return self


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    request: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def media(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def bodiless(self) -> bool:
        return self.request.startswith("HEAD ") and not self.body

    def wrong(self, why: str) -> AssertionError:
        shown = self.body[:_BODY_SHOWN].decode("utf-8", "replace")
        return AssertionError(f"{self.request} answered {self.status}: {why}\n{shown}")


class _Book:
    """Every operation of a document with its promises, validators compiled once."""

    def __init__(self, document: Json) -> None:
        self._document = document
        self._literal: dict[str, dict[str, dict[int, _Promise]]] = {}
        self._templates: list[tuple[re.Pattern[str], dict[str, dict[int, _Promise]]]] = []
        for path, methods in document["paths"].items():
            known = {
                method.upper(): self._promises(path, operation)
                for method, operation in methods.items()
            }
            if "{" in path:
                pattern = re.sub(r"\\\{[^/]+\\\}", "[^/]+", re.escape(path))
                self._templates.append((re.compile(pattern), known))
            else:
                self._literal[path] = known
        schema = {"$ref": "#/components/schemas/ErrorResponse"}
        self.error = _Promise(media=_JSON, validator=self._validator(schema), guided=True)

    def find(self, method: str, path: str) -> dict[int, _Promise] | None:
        if path in self._literal:
            return self._literal[path].get(method)
        for pattern, known in self._templates:
            if pattern.fullmatch(path):
                return known.get(method)
        return None

    def _promises(self, path: str, operation: Json) -> dict[int, _Promise]:
        return {
            int(status): self._promise(path, int(status), self._resolved(answer))
            for status, answer in operation["responses"].items()
        }

    def _promise(self, path: str, status: int, answer: Json) -> _Promise:
        headers = tuple(
            name.lower()
            for name, header in answer.get("headers", {}).items()
            if self._resolved(header).get("required")
        )
        if "content" not in answer:
            return _Promise(headers=headers)
        ((media, content),) = answer["content"].items()
        # The documents that describe the API are the only JSON under /v1 without guidance.
        described = "304" in self._document["paths"][path].get("get", {}).get("responses", {})
        compact = content.get("x-compact")
        return _Promise(
            media=media,
            validator=self._validator(content["schema"]),
            compact=compact and self._validator(compact),
            partial=compact and _validator(_partial(self.closed(content["schema"]))),
            headers=headers,
            guided=status >= 400 or (path.startswith("/v1/") and not described),
        )

    def _validator(self, schema: Json) -> Draft202012Validator:
        return _validator(self.closed(schema))

    def _resolved(self, node: Json) -> Json:
        if "$ref" not in node:
            return node
        found: Any = self._document
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        resolved: Json = found
        return resolved

    def closed(self, schema: Json) -> dict[str, Any]:
        """Write out every reference, and refuse fields that the document does not name."""
        beside = schema.get("properties", {}) if "$ref" in schema else {}
        schema = dict(self._resolved(schema))
        for part in schema.pop("allOf", ()):
            whole = self._resolved(part)
            schema["properties"] = {**schema.get("properties", {}), **whole["properties"]}
            schema["required"] = [*schema.get("required", ()), *whole.get("required", ())]
        if beside:
            schema["properties"] = {**schema["properties"], **beside}
        if "properties" in schema:
            named = schema["properties"].items()
            schema["properties"] = {name: self.closed(shape) for name, shape in named}
            schema["additionalProperties"] = False
        if "items" in schema:
            schema["items"] = self.closed(schema["items"])
        for key in ("oneOf", "anyOf"):
            if key in schema:
                schema[key] = [self.closed(one) for one in schema[key]]
        return schema


def _validator(schema: Json) -> Draft202012Validator:
    return Draft202012Validator(schema, format_checker=_formats())


def _partial(schema: Json) -> Json:
    """Ask for no field of a task."""
    items = schema["properties"].get("items")
    if items is None:
        return {**schema, "required": ["agent_contract"]}
    properties = {**schema["properties"], "items": {**items, "items": _partial(items["items"])}}
    return {**schema, "properties": properties}


@cache
def _served_book() -> _Book:
    return _Book(json.loads(read_document("openapi.json")))


@cache
def _formats() -> FormatChecker:
    formats = FormatChecker(formats=())
    formats.checks("date-time", raises=ValueError)(_is_instant)
    formats.checks("uri", raises=ValueError)(_is_uri)
    return formats


def _is_instant(value: object) -> bool:
    if not isinstance(value, str):
        return True
    datetime.fromisoformat(value)
    return _INSTANT.fullmatch(value) is not None


def _is_uri(value: object) -> bool:
    return not isinstance(value, str) or bool(urlsplit(value).scheme)


def _check_headers(answer: _Answer, promise: _Promise) -> None:
    for name in promise.headers:
        if not answer.headers.get(name):
            raise answer.wrong(f"the header {name} is missing")


def _check_body(answer: _Answer, promise: _Promise) -> None:
    if promise.validator is None:
        if answer.body:
            raise answer.wrong("it must have no body")
        return
    if answer.media != promise.media:
        raise answer.wrong(f"its type is {answer.media!r}, not {promise.media}")
    if promise.media != _JSON:
        return
    try:
        value = json.loads(answer.body)
    except ValueError as error:
        raise answer.wrong(f"its body is not JSON: {error}") from error
    errors = list(promise.validator.iter_errors(value))
    if errors:
        told = [f"{error.json_path}: {error.message}" for error in errors[:_ERRORS_SHOWN]]
        raise answer.wrong("its body does not fit the schema\n  " + "\n  ".join(told))
    _check_promises(answer, promise, value)


def _check_promises(answer: _Answer, promise: _Promise, value: Json) -> None:
    if promise.guided and "agent_contract" not in value:
        raise answer.wrong("it has no agent_contract")
    if value.get("request_id", answer.headers.get("x-request-id")) != answer.headers.get(
        "x-request-id"
    ):
        raise answer.wrong("X-Request-Id and request_id differ")
    for contract in _contracts(value):
        actions = contract["next_actions"]
        recommended = [step for step in actions if step["recommended"]]
        if recommended != actions[:1]:
            raise answer.wrong("one action must be recommended, and stand first")
        if not recommended[0]["available"]:
            raise answer.wrong("the recommended action is not available")
    _check_wait(answer, value)


def _check_wait(answer: _Answer, value: Json) -> None:
    told = answer.headers.get("retry-after")
    if answer.status == 429 and told is None:
        raise answer.wrong("the header retry-after is missing")
    waits = {
        step["retry_after_seconds"]
        for step in value.get("agent_contract", {}).get("next_actions", ())
        if "retry_after_seconds" in step
    }
    if told is not None and waits and {int(told)} != waits:
        raise answer.wrong(f"Retry-After says {told}, the guidance {sorted(waits)}")


def _contracts(value: Json) -> Iterator[Json]:
    if "agent_contract" in value:
        yield value["agent_contract"]
    for item in value.get("items", ()):
        yield item.get("body", item)["agent_contract"]
