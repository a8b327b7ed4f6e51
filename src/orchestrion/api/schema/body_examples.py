"""Examples of request bodies."""

from collections.abc import Mapping
from types import MappingProxyType

from orchestrion.api.schema import scenes
from orchestrion.api.schema.shapes import Schema


def _body(name: str, value: Schema) -> dict[str, object]:
    return {name: {"summary": name.replace("_", " "), "value": value}}


# By operation.
BODY_EXAMPLES: Mapping[str, Schema] = MappingProxyType(
    {
        "create_task": _body(
            "safe_to_repeat",
            {
                "type": "summarize",
                "payload": {"url": "https://example.com/report"},
                "priority": 50,
                "idempotencyKey": "report-2026-11-22",
            },
        )
        | _body(
            "for_later",
            {
                "type": "summarize",
                "payload": {"url": "https://example.com/report"},
                "scheduledAt": "2026-11-23T06:00:00.000Z",
                "maxAttempts": 5,
                "leaseDurationSeconds": 600,
            },
        ),
        "claim_next_task": _body("next", {"type": "summarize", "worker_id": scenes.WORKER}),
        "claim_task": _body("this_one", {"worker_id": scenes.WORKER}),
        "heartbeat": _body("renew", {"lease_token": scenes.TOKEN}),
        "complete_task": _body(
            "inline_result",
            {"lease_token": scenes.TOKEN, "result": {"summary": "All is well."}},
        )
        | _body("artifact", {"lease_token": scenes.TOKEN, "output_id": "report-17"}),
        "fail_task": _body(
            "try_later",
            {
                "lease_token": scenes.TOKEN,
                "reason": "page is down",
                "retry_after_seconds": 60,
            },
        ),
        "register_key": _body("with_contact", {"email": "ops@example.com"}) | _body("bare", {}),
        "start_checkout": _body("basic", {"planId": "basic"}),
        "verify_payment": _body("verify", {"purchaseId": "pur_01M814R073SS6YS3C4DWA7N360"}),
    }
)
