"""The paths of the document, one entry for each row of the operations table."""

from orchestrion.api.schema.answers import ANSWERS
from orchestrion.api.schema.bodies import body_schema
from orchestrion.api.schema.body_examples import BODY_EXAMPLES
from orchestrion.api.schema.examples import ANSWER_EXAMPLES
from orchestrion.api.schema.headers import (
    answer_headers,
    header_refs,
    is_document,
    parameters,
    refusal_headers,
)
from orchestrion.api.schema.links import links
from orchestrion.api.schema.pages import PAGES as PAGE_ANSWERS
from orchestrion.api.schema.reading import COMPACT_ANSWERS
from orchestrion.api.schema.refusals import SHARED, Case, cases
from orchestrion.api.schema.shapes import Schema, component, example_refs
from orchestrion.core.operations import OPERATIONS, PAGES, Access, Operation


def operation_paths() -> Schema:
    """Describe every operation under its path and method."""
    paths: dict[str, dict[str, Schema]] = {}
    for row in OPERATIONS + PAGES:
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row)
    return paths


def shared_responses() -> Schema:
    """Describe the refusals that are the same wherever they occur."""
    return {name: _refusal(found) for found, name in SHARED.items()}


def _operation(row: Operation) -> Schema:
    body = _request_body(row)
    return {
        "operationId": row.name,
        "summary": row.summary,
        "description": row.description,
        "tags": [row.tag],
        **({"security": [{"BearerAuth": []}]} if row.access is Access.KEYED else {}),
        "parameters": parameters(row),
        **({"requestBody": body} if body else {}),
        "responses": {**_successes(row), **_refusals(row)},
    }


def _request_body(row: Operation) -> Schema | None:
    schema = body_schema(row)
    if schema is None:
        return None
    content = {"schema": schema, "examples": BODY_EXAMPLES[row.name]}
    shape: Schema = {"content": {"application/json": content}}
    return {"required": True, **shape} if row.body_required else shape


def _successes(row: Operation) -> Schema:
    found = links(row)
    success: Schema = {
        **_content(row),
        "headers": answer_headers(row),
        **({"links": found} if found else {}),
    }
    if not is_document(row):
        return {str(row.status): success}
    unchanged = {
        "description": "Unchanged since the ETag you sent.",
        "headers": header_refs("X-Request-Id", "ETag", "Cache-Control"),
    }
    return {str(row.status): success, "304": unchanged}


def _content(row: Operation) -> Schema:
    page = PAGE_ANSWERS.get(row.name)
    if page is not None:
        media: Schema = {"schema": page.schema, "example": page.example}
        return {"description": page.summary, "content": {page.media: media}}
    shown = ANSWER_EXAMPLES[row.name]
    compact = COMPACT_ANSWERS.get(row.name)
    media = {
        "schema": ANSWERS[row.answer],
        **({"x-compact": compact} if compact else {}),
        "examples": example_refs(shown.names),
    }
    return {"description": shown.summary, "content": {"application/json": media}}


def _refusals(row: Operation) -> Schema:
    by_status: dict[int, list[Case]] = {}
    for case in cases(row):
        by_status.setdefault(case.status, []).append(case)
    return {str(status): _shared(tuple(found)) for status, found in by_status.items()}


def _shared(found: tuple[Case, ...]) -> Schema:
    if found in SHARED:
        return {"$ref": f"#/components/responses/{SHARED[found]}"}
    return _refusal(found)


def _refusal(found: tuple[Case, ...]) -> Schema:
    return {
        "description": " ".join(f"`{case.code}`: {case.cause}" for case in found),
        "headers": refusal_headers(found[0].status),
        "content": {
            "application/json": {
                "schema": component("ErrorResponse"),
                "examples": example_refs(case.example for case in found),
            }
        },
    }
