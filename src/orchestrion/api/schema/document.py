"""The whole document."""

from collections.abc import Sequence

from orchestrion.api.schema.components import COMPONENTS
from orchestrion.api.schema.examples import examples
from orchestrion.api.schema.headers import HEADERS, PARAMETERS
from orchestrion.api.schema.paths import operation_paths, shared_responses
from orchestrion.api.schema.shapes import Schema

API_VERSION = "1.0.0"

_INFO: Schema = {
    "title": "Orchestrion",
    "version": API_VERSION,
    "summary": "Tasks for autonomous agents, handed out under leases.",
    "description": (
        "A producer creates a task. A worker claims it, keeps its lease with heartbeats, and "
        "completes it or gives it back. If the worker dies, the lease ends and the task is "
        "claimable again.\n\n"
        "Answers carry `agent_contract`: one recommended next step, always possible, with its "
        "method and path. Every refusal has the form of ErrorResponse, on every path.\n\n"
        "HEAD works where GET does. Unknown body fields and query parameters are ignored; null "
        "for an optional field is refused. Moments are UTC with milliseconds. Ids, tokens and "
        "cursors are opaque.\n\n"
        "The guide with a curl line for every call is [/AGENTS.md](/AGENTS.md); "
        "[/AGENT_CONTRACT.md](/AGENT_CONTRACT.md) specifies the guidance."
    ),
    "license": {"name": "MIT", "identifier": "MIT"},
}

_TAGS: Sequence[Schema] = (
    {"name": "Tasks", "description": "The life of a task: create, claim, work, finish."},
    {"name": "Billing", "description": "Plans, what they allow, and buying one."},
    {"name": "Public", "description": "Keys, discovery and health. No key needed."},
)

_BEARER: Schema = {
    "type": "http",
    "scheme": "bearer",
    "description": (
        "`Authorization: Bearer orch_live_…`, a key of 64 hexadecimal digits after its prefix. "
        "POST /v1/keys/register makes one. A key in a URL is refused with 400."
    ),
}


def document() -> Schema:
    """Build the OpenAPI document that /v1/schema serves."""
    return {
        "openapi": "3.1.0",
        "info": _INFO,
        "servers": [{"url": "/", "description": "This server."}],
        "externalDocs": {"url": "/AGENTS.md", "description": "The guide for agents."},
        "tags": list(_TAGS),
        "paths": operation_paths(),
        "components": {
            "securitySchemes": {"BearerAuth": _BEARER},
            "schemas": COMPONENTS,
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "responses": shared_responses(),
            "examples": examples(),
        },
    }
