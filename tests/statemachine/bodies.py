"""Bodies of requests, each made of one small number."""

from typing import Final

from tests.statemachine.task import Json

TYPES: Final = ("mail", "scan")
PAYLOADS: Final[tuple[Json, ...]] = (
    {},
    {"page": 1},
    {"b": [1, 2.50, True, None], "a": {"é": '☃ \\ " \n'}},
)
SAME: Final[Json] = {"type": TYPES[0], "payload": {"b": 1, "a": 2}}


def create_body(pick: int, type_: str) -> Json:
    """Make a task of one number."""
    body: Json = {"type": type_, "payload": PAYLOADS[pick % 3]}
    if pick % 2:
        body["priority"] = (0, 1, 100, 50)[pick // 2 % 4]
    if pick % 5:
        body["maxAttempts"] = (1, 2, 4, 10)[pick // 5 % 4]
    if pick % 7:
        body["leaseDurationSeconds"] = (30, 31, 300)[pick % 3]
    return body


def claim_body(type_: str, worker: str | None) -> Json:
    """Make a claim by type."""
    return {"type": type_} if worker is None else {"type": type_, "worker_id": worker}


def complete_body(pick: int) -> Json:
    """Make the good end of an attempt."""
    ends: tuple[Json, ...] = (
        {},
        {"result": {"n": 1, "m": [True]}},
        {"result": {"m": [True], "n": 1}},
        {"output_id": "out_1"},
        {"result": {"m": [1], "n": 1}, "output_id": "out_1"},
    )
    return dict(ends[pick % len(ends)])


def fail_body(pick: int) -> Json:
    """Make the bad end of an attempt."""
    ends: tuple[Json, ...] = (
        {},
        {"reason": "it rained"},
        {"retry_after_seconds": 5},
        {"reason": "it rained", "retry_after_seconds": 60},
    )
    return dict(ends[pick % len(ends)])
