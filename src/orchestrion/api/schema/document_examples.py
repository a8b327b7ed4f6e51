"""Examples of answers that no code writes yet, or that are shown cut short."""

from collections.abc import Mapping
from types import MappingProxyType

from orchestrion.api.schema.shapes import Schema

_PURCHASE = "pur_01M814R073SS6YS3C4DWA7N360"
_BILLING: Schema = {
    "action": "check_billing_status",
    "available": True,
    "recommended": False,
    "description": "Read your plan, its limits and what you have used.",
    "method": "GET",
    "endpoint": "/v1/billing/status",
}
_VERIFY: Schema = {
    "action": "verify_payment",
    "available": True,
    "recommended": True,
    "description": "Once a human has approved the payment at checkoutUrl, verify it.",
    "method": "POST",
    "endpoint": "/v1/billing/verify",
}
_CREATE: Schema = {
    "action": "create_task",
    "available": True,
    "recommended": False,
    "description": "Create the next task.",
    "method": "POST",
    "endpoint": "/v1/tasks",
}


def _contract(*steps: Schema) -> Schema:
    return {"version": "1", "retryable": False, "next_actions": list(steps)}


_CHECKOUT: Schema = {
    "purchaseId": _PURCHASE,
    "orderId": "5O190127TN364715T",
    "checkoutUrl": "https://www.paypal.com/checkoutnow?token=5O190127TN364715T",
    "planId": "basic",
    "planName": "Basic",
    "priceUsd": 9.99,
    "checkoutExpiresAt": "2026-11-22T11:06:25.123Z",
    "request_id": "req_01M814R1QWD3M9S346Q3D25VT4",
    "agent_contract": _contract(_VERIFY, _BILLING),
}
_VERIFIED: Schema = {
    "outcome": "activated",
    "purchaseId": _PURCHASE,
    "planId": "basic",
    "message": "The payment is captured and the plan is active.",
    "request_id": "req_01M814R52ZC4H9T2RJ7XB0N8KF",
    "agent_contract": _contract({**_BILLING, "recommended": True}, _CREATE),
}
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
        "checkout": _CHECKOUT,
        "verified": _VERIFIED,
        "health": _HEALTH,
        "agent_manifest": _AGENT_MANIFEST,
        "capabilities": _CAPABILITIES,
        "tool_manifest": _TOOL_MANIFEST,
        "schema": {"openapi": "3.1.0", "info": {"title": "Orchestrion", "version": "1.0.0"}},
    }
)
