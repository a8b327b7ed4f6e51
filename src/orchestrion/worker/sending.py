"""Endings of attempts as requests: up to 100 in one, of which only refusals are read in full."""

from collections.abc import Sequence
from functools import partial
from typing import Final

import msgspec

from orchestrion.client.call import Call
from orchestrion.client.errors import APIError, error_of
from orchestrion.client.payload import encoded
from orchestrion.client.refusals import read_refusal
from orchestrion.client.task import Held
from orchestrion.worker.reports import Completed, Failed

ITEMS_MAX: Final = 100
# Well below what the server takes in one request, 2 MiB.
BYTES_MAX: Final = 1_500_000
COMPLETE: Final = "/v1/tasks/complete"
FAIL: Final = "/v1/tasks/fail"
_FIRST_ERROR: Final = 400


class _Item(msgspec.Struct, frozen=True):
    status: int
    body: msgspec.Raw


class _Items(msgspec.Struct, frozen=True):
    items: list[_Item]


class _Ending(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    id: str
    lease_token: str
    result: msgspec.Raw | None = None
    output_id: str | None = None
    reason: str | None = None
    retry_after_seconds: int | None = None


_ITEMS: Final = msgspec.json.Decoder(_Items)


def item_of(held: Held, report: Completed | Failed) -> bytes:
    """Write one ending, the same for each repeat; its lease token makes repeats harmless."""
    identity, token = held.task.id, held.lease_token
    if isinstance(report, Failed):
        wait = report.retry_after
        ending = _Ending(
            id=identity, lease_token=token, reason=report.reason, retry_after_seconds=wait
        )
    else:
        result = None if report.result is None else msgspec.Raw(report.result)
        ending = _Ending(id=identity, lease_token=token, result=result, output_id=report.output_id)
    return encoded(ending)


def several(path: str, items: Sequence[bytes]) -> Call[list[APIError | None]]:
    """Send many endings; gives for each what it was refused with, or None."""
    body = b'{"items":[' + b",".join(items) + b"]}"
    return Call(method="POST", path=path, body=body, decode=partial(_refusals, len(items)))


def _refusals(count: int, body: bytes) -> list[APIError | None]:
    answered = _ITEMS.decode(body).items
    if len(answered) != count:
        raise msgspec.ValidationError(f"{len(answered)} answers to {count} items")
    return [
        error_of(read_refusal(item.status, {}, bytes(item.body)))
        if item.status >= _FIRST_ERROR
        else None
        for item in answered
    ]
