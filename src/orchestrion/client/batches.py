"""The operations on many tasks at once, as requests of at most 100 items and 2 MiB each."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from orchestrion.client.call import Call
from orchestrion.client.calls import Ending, GivingBack, completion, creation, giving_back
from orchestrion.client.errors import APIError, error_of
from orchestrion.client.payload import encoded
from orchestrion.client.refusals import read_refusal
from orchestrion.client.task import Beat, Completion, Failure, Held, NewTask, Task, read_task

ITEMS_MAX = 100
# The server takes 2 MiB; brackets and commas need some.
BYTES_MAX = 2 * 1024 * 1024 - 1024

# What one item came to, in its place.
Outcome = Task | APIError
_FIRST_ERROR = 400


def create_many(items: Iterable[NewTask]) -> Iterator[Call[list[Outcome]]]:
    """Create tasks; each has a key of its own, which makes a repeat harmless."""
    return _calls("/v1/tasks/batch", (encoded(creation(item)) for item in items))


def complete_many(items: Iterable[Completion]) -> Iterator[Call[list[Outcome]]]:
    """Finish attempts."""
    return _calls(
        "/v1/tasks/complete",
        (
            encoded(
                {
                    "id": item.id,
                    **completion(
                        item.lease_token, Ending(result=item.result, output_id=item.output_id)
                    ),
                }
            )
            for item in items
        ),
    )


def fail_many(items: Iterable[Failure]) -> Iterator[Call[list[Outcome]]]:
    """Give attempts back."""
    return _calls(
        "/v1/tasks/fail",
        (
            encoded(
                {
                    "id": item.id,
                    **giving_back(
                        item.lease_token,
                        GivingBack(reason=item.reason, retry_after=item.retry_after),
                    ),
                }
            )
            for item in items
        ),
    )


def heartbeat_many(items: Iterable[Beat]) -> Iterator[Call[list[Outcome]]]:
    """Renew leases."""
    return _calls("/v1/tasks/heartbeat", (encoded(item) for item in items))


def beats(leases: Sequence[Held]) -> Call[list[Outcome]]:
    """Renew 1 to 100 leases in one request."""
    items = [encoded(Beat(id=held.task.id, lease_token=held.lease_token)) for held in leases]
    return _call("/v1/tasks/heartbeat", items)


def _calls(path: str, items: Iterable[bytes]) -> Iterator[Call[list[Outcome]]]:
    held: list[bytes] = []
    size = 0
    for item in items:
        if held and (len(held) == ITEMS_MAX or size + len(item) + 1 > BYTES_MAX):
            yield _call(path, held)
            held, size = [], 0
        held.append(item)
        size += len(item) + 1
    if held:
        yield _call(path, held)


def _call(path: str, items: list[bytes]) -> Call[list[Outcome]]:
    body = b'{"items":[' + b",".join(items) + b"]}"
    return Call(method="POST", path=path, body=body, decode=_outcomes)


class _Item(msgspec.Struct, frozen=True):
    status: int
    body: msgspec.Raw


class _Items(msgspec.Struct, frozen=True):
    items: list[_Item]


_ITEMS = msgspec.json.Decoder(_Items)


def _outcomes(body: bytes) -> list[Outcome]:
    return [_outcome(item) for item in _ITEMS.decode(body).items]


def _outcome(item: _Item) -> Outcome:
    if item.status < _FIRST_ERROR:
        return read_task(item.body)
    return error_of(read_refusal(item.status, {}, bytes(item.body)))
