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
        "wait_for_tasks": _body(
            "all_of_them",
            {"ids": [scenes.PENDING.id, scenes.OTHER_ID], "mode": "all", "wait_seconds": 30},
        ),
        "claim_next_task": _body("next", {"type": "summarize", "worker_id": scenes.WORKER})
        | _body("several", {"type": "summarize", "worker_id": scenes.WORKER, "max_tasks": 10}),
        "claim_task": _body("this_one", {"worker_id": scenes.WORKER}),
        "heartbeat": _body("renew", {"lease_token": scenes.TOKEN}),
        "complete_task": _body(
            "inline_result",
            {"lease_token": scenes.TOKEN, "result": {"summary": "All is well."}},
        )
        | _body("artifact", {"lease_token": scenes.TOKEN, "output_id": "report-17"})
        | _body(
            "and_take_the_next",
            {
                "lease_token": scenes.TOKEN,
                "result": {"summary": "All is well."},
                "claim_next": {"type": "summarize", "worker_id": scenes.WORKER},
            },
        ),
        "create_tasks": _body(
            "several",
            {
                "items": [
                    {
                        "type": "summarize",
                        "payload": {"url": f"https://example.com/report/{page}"},
                        "idempotencyKey": f"report-2026-11-22-{page}",
                    }
                    for page in (1, 2)
                ]
            },
        ),
        "complete_tasks": _body(
            "several",
            {
                "items": [
                    {
                        "id": scenes.PENDING.id,
                        "lease_token": scenes.TOKEN,
                        "result": {"summary": "All is well."},
                    },
                    {
                        "id": scenes.NEXT.id,
                        "lease_token": scenes.NEXT.lease_token,
                        "output_id": "report-17",
                    },
                ]
            },
        ),
        "fail_tasks": _body(
            "several",
            {
                "items": [
                    {
                        "id": scenes.PENDING.id,
                        "lease_token": scenes.TOKEN,
                        "reason": "page is down",
                        "retry_after_seconds": 60,
                    }
                ]
            },
        ),
        "heartbeat_tasks": _body(
            "several", {"items": [{"id": scenes.PENDING.id, "lease_token": scenes.TOKEN}]}
        ),
        "fail_task": _body(
            "try_later",
            {
                "lease_token": scenes.TOKEN,
                "reason": "page is down",
                "retry_after_seconds": 60,
            },
        ),
        "release_task": _body("stopping", {"lease_token": scenes.TOKEN, "reason": "shutting down"}),
        "cancel_task": _body("ask_the_worker", {"force": True}),
        "register_key": _body("with_contact", {"email": "ops@example.com"}) | _body("bare", {}),
        "start_checkout": _body("basic", {"planId": "basic"}),
        "verify_payment": _body("verify", {"purchaseId": scenes.PURCHASE.id}),
        "receive_payment_event": _body(
            "approved",
            {
                "event_type": "CHECKOUT.ORDER.APPROVED",
                "resource": {"id": scenes.PURCHASE.order_id},
            },
        ),
    }
)
