"""What each operation answers when it succeeds."""

from collections.abc import Mapping

from orchestrion.api.schema.batches import FINISHED, ITEMS
from orchestrion.api.schema.reading import READ_ANSWERS
from orchestrion.api.schema.shapes import (
    Schema,
    component,
    flag,
    instant_or_null,
    struct,
    text,
)
from orchestrion.core.errors import ActionCode, ErrorCode
from orchestrion.core.task import Status

_CONTRACT: Schema = {"agent_contract": component("AgentContract")}

_TASK_LIST = struct(
    "A page of tasks, newest first.",
    {
        "items": {
            "type": "array",
            "description": "The tasks, each with what can be done with it.",
            "items": component("TaskWithContract"),
        },
        "pageInfo": component("PageInfo"),
        **_CONTRACT,
    },
    ("items", "pageInfo"),
)

_PLAN_LIST = struct(
    "The plans of this server.",
    {
        "plans": {
            "type": "array",
            "description": "Smallest first; the first is free.",
            "items": component("PlanDefinition"),
        },
        **_CONTRACT,
    },
    ("plans",),
)

_HEALTH = struct(
    "The process serves; look at `healthy` for its background work.",
    {
        "status": text("The process answers.", const="ok"),
        "leaseExpiryJob": struct(
            "The job that makes ended leases visible. Claims are right without it.",
            {
                "lastRunAt": instant_or_null("When it last finished; null before it first did."),
                "staleSec": {
                    "type": ["integer", "null"],
                    "description": "Whole seconds since then.",
                },
                "healthy": flag("false once it has missed three runs."),
            },
            (),
        ),
    },
    (),
)

_AGENT_MANIFEST = struct(
    "Links to everything an agent needs, and how to authenticate. This is Orchestrion's own "
    "format, not an A2A agent card.",
    {
        "kind": text("Says what this document is.", const="orchestrion-discovery"),
        "name": text("The service."),
        "description": text("What it does."),
        "version": text("Release of the server."),
        "api_version": text("Version of the API."),
        "capabilities_url": text("States, limits and codes as data."),
        "tool_manifest_url": text("The operations as tools."),
        "openapi_schema_url": text("This document."),
        "registration_url": text("Where a POST makes an account and its key."),
        "documentation_url": text("The guide for agents."),
        "health_url": text("Whether the service works."),
        "llms_txt_url": text("The overview in one page."),
        "agent_contract_url": text("The specification of agent_contract."),
        "plans_url": text("The plans and their limits."),
        "authentication": {"type": "object", "description": "How to send a key and get one."},
    },
    (),
)

_CAPABILITIES = struct(
    "What this server can do and where its limits are.",
    {
        "service": text("The service."),
        "version": text("Release of the server."),
        "api_version": text("Version of the API."),
        "authentication": {"type": "object", "description": "How to send a key and get one."},
        "task_lifecycle": struct(
            "The states of a task and every way from one to another.",
            {
                "states": {
                    "type": "array",
                    "items": {"type": "string", "enum": list(Status)},
                    "description": "All states.",
                },
                "initial_state": {
                    "type": "string",
                    "enum": list(Status),
                    "description": "The state of a new task.",
                },
                "terminal_states": {
                    "type": "array",
                    "items": {"type": "string", "enum": list(Status)},
                    "description": "States in which no worker has or gets the task.",
                },
                "transitions": {
                    "type": "array",
                    "description": "Anything not listed is refused as invalid_transition.",
                    "items": struct(
                        "One change of state.",
                        {
                            "from": {"type": "string", "enum": list(Status)},
                            "to": {"type": "string", "enum": list(Status)},
                            "trigger": text("The verb, or `expire` when a lease runs out."),
                            "when": text("What must hold besides the state."),
                        },
                        ("from", "to", "trigger"),
                    ),
                },
            },
            ("states", "terminal_states", "transitions"),
        ),
        "operations": {
            "type": "array",
            "description": "Every operation of the API; /v1/schema says what each takes.",
            "items": struct(
                "One operation.",
                {
                    "operation": text("Its operationId."),
                    "method": text("The HTTP method."),
                    "path": text("The path; what stands in braces is to be filled in."),
                },
            ),
        },
        "limits": {"type": "object", "description": "Every bound on what callers send."},
        "idempotency": {
            "type": "object",
            "description": "How repeats of a create and of a claim are treated.",
        },
        "plans": {"type": "object", "description": "What the plans bound, and where to read more."},
        "rate_limits": {
            "type": "array",
            "items": {"type": "object"},
            "description": "What is counted, per whom, in which window.",
        },
        "errors": {
            "type": "array",
            "description": "Every code an error may carry.",
            "items": struct(
                "One code.",
                {
                    "code": {"type": "string", "enum": list(ErrorCode)},
                    "status": {"type": "integer", "description": "The usual status."},
                    "statuses": {
                        "type": "array",
                        "items": {"type": "integer"},
                        "description": "All statuses it comes with.",
                    },
                    "retryable": flag("Whether a repeat may succeed later."),
                    "meaning": text("Its cause."),
                    "recommended_action": {"type": "string", "enum": list(ActionCode)},
                },
            ),
        },
        "artifact_base_url": text("The service that download_artifact leads to."),
        "actions": {
            "type": "array",
            "description": "Every code an action may carry.",
            "items": struct(
                "One code.",
                {
                    "code": {"type": "string", "enum": list(ActionCode)},
                    "meaning": text("What to do."),
                    "operations": {
                        "type": "array",
                        "items": {"type": "string"},
                        "description": "The operationIds it may lead to; none where the action "
                        "repeats a request or leads elsewhere.",
                    },
                },
            ),
        },
    },
    (),
)

_TOOL_MANIFEST = struct(
    "The operations an agent calls, as tools. The server does not speak MCP itself: `_meta` says "
    "which HTTP request each tool stands for.",
    {
        "name": text("Names the set of tools."),
        "title": text("Its name for people."),
        "version": text("Release of the server."),
        "description": text("What the tools are for."),
        "instructions": text("How to use them together."),
        "protocolVersion": text("The MCP revision whose `tools/list` has this form."),
        "transport": {"type": "object", "description": "How the calls travel."},
        "authentication": {"type": "object", "description": "How to send a key and get one."},
        "tools": {
            "type": "array",
            "description": "What an MCP `tools/list` answers, in a fixed order.",
            "items": {"type": "object"},
        },
    },
    (),
)

_OPENAPI: Schema = {"type": "object", "description": "An OpenAPI 3.1 document."}

_CLAIM: Schema = {
    "description": "A task with its lease, or `task: null`.",
    "oneOf": [component("ClaimSuccessResponse"), component("ClaimEmptyResponse")],
}

# By Operation.answer. Shapes the specification names are components, the others stand in place.
ANSWERS: Mapping[str, Schema] = {
    "ClaimResponse": _CLAIM,
    "ClaimSuccessResponse": component("ClaimSuccessResponse"),
    "TaskWithContract": component("TaskWithContract"),
    "FinishedTask": FINISHED,
    "Items": ITEMS,
    "TaskList": _TASK_LIST,
    **READ_ANSWERS,
    "PlanList": _PLAN_LIST,
    "BillingStatusResponse": component("BillingStatusResponse"),
    "CheckoutResponse": component("CheckoutResponse"),
    "VerifyResponse": component("VerifyResponse"),
    "KeyRegistrationResponse": component("KeyRegistrationResponse"),
    "HealthResponse": _HEALTH,
    "AgentManifest": _AGENT_MANIFEST,
    "Capabilities": _CAPABILITIES,
    "ToolManifest": _TOOL_MANIFEST,
    "OpenApiDocument": _OPENAPI,
}
