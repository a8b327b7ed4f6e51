"""Paths beside the operations: pages to read and probes for supervisors."""

from collections.abc import Sequence

from orchestrion.api.schema.headers import header_refs
from orchestrion.api.schema.shapes import Schema, component, example_refs, struct, text

_REQUEST_ID = {"$ref": "#/components/parameters/RequestId"}
_IF_NONE_MATCH = {"$ref": "#/components/parameters/IfNoneMatch"}
_RATE_LIMITED: Schema = {
    "description": "`rate_limited`: Wait the seconds given and repeat the request.",
    "headers": header_refs("X-Request-Id", "Retry-After"),
    "content": {
        "application/json": {
            "schema": component("ErrorResponse"),
            "examples": example_refs(["rate_limited"]),
        }
    },
}
_KEY_IN_QUERY: Schema = {
    "description": "`invalid_request`: A key stands in the query.",
    "headers": header_refs("X-Request-Id"),
    "content": {
        "application/json": {
            "schema": component("ErrorResponse"),
            "examples": example_refs(["invalid_request"]),
        }
    },
}
_REFUSALS: Schema = {
    "400": _KEY_IN_QUERY,
    "405": {"$ref": "#/components/responses/WrongMethod"},
    "500": {"$ref": "#/components/responses/ServerError"},
    "503": {"$ref": "#/components/responses/ServerBusy"},
}


def _page(name: str, summary: str, description: str, media: str) -> Schema:
    page: Schema = {
        "description": "The page.",
        "headers": header_refs(
            "X-Request-Id", "RateLimit-Policy", "RateLimit", "ETag", "Cache-Control"
        ),
        "content": {media: {"schema": {"type": "string"}, "example": "# Orchestrion\n"}},
    }
    unchanged: Schema = {
        "description": "Unchanged since the ETag you sent.",
        "headers": header_refs("X-Request-Id", "ETag", "Cache-Control"),
    }
    return _operation(
        {"operationId": name, "summary": summary, "description": description},
        [_REQUEST_ID, _IF_NONE_MATCH],
        {"200": page, "304": unchanged, "429": _RATE_LIMITED, **_REFUSALS},
    )


def _probe(name: str, summary: str, description: str) -> Schema:
    yes: Schema = {
        "description": "Yes.",
        "headers": header_refs("X-Request-Id"),
        "content": {
            "application/json": {
                "schema": struct("Yes.", {"status": text("Always this.", const="ok")}),
                "example": {"status": "ok"},
            }
        },
    }
    return _operation(
        {"operationId": name, "summary": summary, "description": description},
        [_REQUEST_ID],
        {"200": yes, **_REFUSALS},
    )


def _operation(words: Schema, parameters: Sequence[Schema], responses: Schema) -> Schema:
    rest = {"tags": ["Public"], "parameters": parameters, "responses": responses}
    return {"get": {**words, **rest}}


PAGE_PATHS: Schema = {
    "/llms.txt": _page(
        "read_overview",
        "Read the overview",
        "What the service is and where everything stands, on one page for language models.",
        "text/plain",
    ),
    "/AGENTS.md": _page(
        "read_guide",
        "Read the guide",
        "The whole API in prose, with a curl line and an answer for each call, every limit and "
        "every error.",
        "text/markdown",
    ),
    "/AGENT_CONTRACT.md": _page(
        "read_contract",
        "Read the specification of agent_contract",
        "What the guidance in every answer means and what it guarantees.",
        "text/markdown",
    ),
    "/livez": _probe(
        "check_liveness",
        "Tell whether the process runs",
        "For supervisors that restart a process. Asks nothing of the database.",
    ),
    "/readyz": _probe(
        "check_readiness",
        "Tell whether to send work here",
        "For load balancers: 503 once the server is told to stop, or while its database does not "
        "answer.",
    ),
}
