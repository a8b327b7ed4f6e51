"""Schemas of request bodies, read off the structs that decode them."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from orchestrion.api.schema.shapes import Schema
from orchestrion.core import limits
from orchestrion.core.bodies import CheckoutBody, CreateBody, NoBody, VerifyBody
from orchestrion.core.instants import DAY, SECOND
from orchestrion.core.operations import Operation
from orchestrion.core.plans import FREE, PLAN_IDS

# One text per property: a name means the same in every body.
_TEXTS: Mapping[str, str] = MappingProxyType(
    {
        "type": "The kind of work; workers ask for tasks by it. Letters, digits, `_` and `-`.",
        "payload": "What the worker needs to know: at most "
        f"{limits.DOCUMENT_BYTES_MAX:,} bytes as compact JSON, at most {limits.DOCUMENT_DEPTH_MAX} "
        "levels deep counting the object itself. It cannot be changed later.",
        "priority": "Rank among waiting tasks of the type: larger is handed out earlier.",
        "maxAttempts": "How many claims the task gets before it is dead-lettered.",
        "leaseDurationSeconds": "How long a claim or a heartbeat makes the lease last. Choose it "
        "so that three missed heartbeats mean the worker is gone.",
        "scheduledAt": "No claim succeeds before this moment: RFC 3339 with an offset, at most "
        f"{limits.SCHEDULE_AHEAD_SECONDS_MAX // (DAY // SECOND)} days ahead. Up to "
        f"{limits.SCHEDULE_BEHIND_SECONDS_MAX} seconds in the past counts as now; more is refused.",
        "idempotencyKey": "A name of your own for this create: repeated with the same request it "
        "answers the same task, never a second one. Printable ASCII.",
        "worker_id": "A label for people, shown as claimedBy. It grants nothing.",
        "result": "What came of the work: a JSON object under the same bounds as the payload.",
        "output_id": "Name of an artifact that you stored elsewhere.",
        "lease_token": "From your claim. Always send it: a worker whose lease is over is then "
        "refused instead of disturbing the next.",
        "reason": "Why the attempt failed, for whoever looks at the task later.",
        "retry_after_seconds": "Leave the task alone this long before it may be claimed again; "
        "without it that is at once.",
        "planId": "The plan to buy.",
        "purchaseId": "From the answer to the checkout.",
        "email": "Where the operator of the server may reach you.",
    }
)

# What a struct cannot say, or checks outside itself.
_MORE: Mapping[tuple[type[msgspec.Struct], str], Schema] = MappingProxyType(
    {
        (CreateBody, "scheduledAt"): {"type": "string", "format": "date-time"},
        (CheckoutBody, "planId"): {
            "type": "string",
            "enum": [plan for plan in PLAN_IDS if plan != FREE],
        },
        # Any other text is a purchase that is not found.
        (VerifyBody, "purchaseId"): {"type": "string"},
    }
)
_OBJECTS = ("payload", "result")
_NOT_NAMES: Schema = {"not": {"enum": [".", ".."]}}


def body_schema(row: Operation) -> Schema | None:
    """Describe what the operation takes; None where it takes nothing."""
    if row.body is None or row.body is NoBody:
        return None
    shape: Schema = {"type": "object", "properties": body_properties(row.body)}
    required = required_fields(row.body)
    return {**shape, "required": required} if required else shape


def required_fields(body: type[msgspec.Struct]) -> list[str]:
    """Name the fields a body cannot do without."""
    return [field.encode_name for field in msgspec.structs.fields(body) if field.required]


def body_properties(body: type[msgspec.Struct]) -> dict[str, Schema]:
    """Describe the fields of a body, each under its name on the wire."""
    derived = msgspec.json.schema_components([body])[1][body.__name__]["properties"]
    return {name: _property(body, name, shape) for name, shape in derived.items()}


def _property(body: type[msgspec.Struct], name: str, derived: Schema) -> Schema:
    shape = _MORE.get((body, name), derived)
    if name in _OBJECTS:
        shape = {"type": "object"}
    if name == "output_id":
        shape = {**shape, **_NOT_NAMES}
    pattern = shape.get("pattern")
    if isinstance(pattern, str):
        # JSON Schema's `$` has no trailing newline to let through.
        shape = {**shape, "pattern": pattern.removesuffix(r"\Z") + "$"}
    return {**shape, "description": _TEXTS[name]}
