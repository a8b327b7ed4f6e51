"""Schemas of request bodies, read off the structs that decode them."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from orchestrion.api.schema.shapes import Schema
from orchestrion.core import limits
from orchestrion.core.batch_bodies import CompleteItem, FailItem, HeartbeatItem
from orchestrion.core.bodies import (
    CheckoutBody,
    CreateBody,
    NextClaim,
    NoBody,
    PaymentEvent,
    VerifyBody,
    WaitBody,
)
from orchestrion.core.instants import DAY, SECOND
from orchestrion.core.operations import Operation
from orchestrion.core.plans import FREE, PLAN_IDS
from orchestrion.core.watching import Mode, Until

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
        "items": "The items, each decided for itself, in this order, all in one transaction.",
        "id": "The task.",
        "claim_next": "Claim the next task with the same request, once this one is settled. Sent "
        "with a lease_token it is safe to repeat: while the lease of the next task lives, the "
        "answer names the same task.",
        "types": f"Up to {limits.CLAIM_TYPES_MAX} types: whichever task of them comes first is "
        "handed out. With them type may be left out; if it is sent as well, it is one of them.",
        "wait_seconds": "How long to wait, in this request, for what there is not yet; give your "
        "client more time than this. 0: answer at once. Claims that wait are handed tasks as soon "
        "as they can be claimed, in the order they came.",
        "ids": "The tasks to wait for.",
        "mode": "Whether to answer once any of them has come to it, or all.",
        "until": "What to wait for. terminal: the task is completed, cancelled or in dead_letter. "
        "change: its status, attemptCount or cancelRequestedAt differ from what they were when "
        "the request came, or it is completed or cancelled and changes no more.",
        "max_tasks": "How many tasks to hand out at most; all of them stand in `tasks`. Each has a "
        "lease of its own, and counts as one claim.",
        "worker_id": "A label for people, shown as claimedBy. It grants nothing.",
        "result": "What came of the work: a JSON object under the same bounds as the payload.",
        "output_id": "Name of an artifact that you stored elsewhere.",
        "lease_token": "From your claim. Always send it: a worker whose lease is over is then "
        "refused instead of disturbing the next.",
        "reason": "Why the attempt ended, for whoever looks at the task later. Of a release it is "
        "kept only where that counts as a failure.",
        "force": "Cancel also what a worker holds: it is asked to give the task back, and the task "
        "is cancelled when it does or its lease ends. What it completes before that stands.",
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
        (WaitBody, "mode"): {"type": "string", "enum": list(Mode), "default": Mode.ALL},
        (WaitBody, "until"): {"type": "string", "enum": list(Until), "default": Until.TERMINAL},
        # Any other text is a purchase that is not found.
        (VerifyBody, "purchaseId"): {"type": "string"},
    }
)
_OBJECTS = ("payload", "result")
# What bodies hold that are bodies themselves.
_WITHIN: Mapping[str, type[msgspec.Struct]] = MappingProxyType(
    {one.__name__: one for one in (CreateBody, CompleteItem, FailItem, HeartbeatItem, NextClaim)}
)
_NOT_NAMES: Schema = {"not": {"enum": [".", ".."]}}


def body_schema(row: Operation) -> Schema | None:
    """Describe what the operation takes; None where it takes nothing."""
    if row.body is None or row.body is NoBody:
        return None
    if row.body is PaymentEvent:
        return {"type": "object", "description": "An event as PayPal sends it."}
    return _object(row.body)


def _object(body: type[msgspec.Struct]) -> Schema:
    shape: Schema = {"type": "object", "properties": body_properties(body)}
    if issubclass(body, NextClaim):
        # The specification's way first: what it requires is enough.
        return {**shape, "anyOf": [{"required": ["type"]}, {"required": ["types"]}]}
    required = required_fields(body)
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
    return {**_inlined(shape), "description": _TEXTS[name]}


def _inlined(shape: Schema) -> Schema:
    """Put structs within a body in their place, and write patterns as JSON Schema has them."""
    reference, items, pattern = shape.get("$ref"), shape.get("items"), shape.get("pattern")
    if isinstance(reference, str):
        return _object(_WITHIN[reference.rpartition("/")[2]])
    if isinstance(pattern, str):
        # JSON Schema's `$` has no trailing newline to let through.
        return {**shape, "pattern": pattern.removesuffix(r"\Z") + "$"}
    return {**shape, "items": _inlined(items)} if isinstance(items, Mapping) else shape
