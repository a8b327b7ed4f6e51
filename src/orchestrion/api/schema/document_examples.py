"""Examples of answers that are shown cut short."""

from collections.abc import Mapping
from types import MappingProxyType

from orchestrion.api.schema.shapes import Schema

_HEALTH: Schema = {
    "status": "ok",
    "leaseExpiryJob": {
        "lastRunAt": "2026-11-22T08:06:24.500Z",
        "staleSec": 0,
        "healthy": True,
    },
}
_AGENT_MANIFEST: Schema = {
    "kind": "orchestrion-discovery",
    "name": "Orchestrion",
    "api_version": "1.0.0",
    "capabilities_url": "/v1/capabilities",
    "tool_manifest_url": "/v1/tool",
    "openapi_schema_url": "/v1/schema",
    "registration_url": "/v1/keys/register",
    "documentation_url": "/AGENTS.md",
}
_CAPABILITIES: Schema = {
    "service": "Orchestrion",
    "api_version": "1.0.0",
    "task_lifecycle": {
        "states": ["pending", "claimed", "completed", "dead_letter", "cancelled"],
        "terminal_states": ["completed", "cancelled"],
        "transitions": [
            {"from": "pending", "to": "claimed", "trigger": "claim", "when": "scheduledAt has come"}
        ],
    },
}
_TOOL_MANIFEST: Schema = {
    "name": "orchestrion",
    "protocolVersion": "2026-07-28",
    "tools": [
        {
            "name": "check_task_status",
            "title": "Read a task",
            "inputSchema": {
                "type": "object",
                "properties": {"task_id": {"type": "string"}},
                "required": ["task_id"],
                "additionalProperties": False,
            },
        }
    ],
}

DOCUMENT_EXAMPLES: Mapping[str, object] = MappingProxyType(
    {
        "health": _HEALTH,
        "agent_manifest": _AGENT_MANIFEST,
        "capabilities": _CAPABILITIES,
        "tool_manifest": _TOOL_MANIFEST,
        "schema": {"openapi": "3.1.0", "info": {"title": "Orchestrion", "version": "1.0.0"}},
    }
)
