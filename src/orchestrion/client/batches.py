"""The operations on many tasks at once, in requests of at most 100 items and 2 MiB each."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from orchestrion.client.call import Call, Repeat
from orchestrion.client.calls import Ending, GivingBack, completion, creation, get, giving_back
from orchestrion.client.errors import APIError, OrchestrionError, error_of
from orchestrion.client.exchange import Exchange, Pause, Steps
from orchestrion.client.payload import encoded
from orchestrion.client.refusals import read_refusal
from orchestrion.client.retrying import RetryNote, Trouble, repeatable
from orchestrion.client.task import Beat, Completion, Failure, Held, NewTask, Task, read_task

ITEMS_MAX = 100
# The server takes 2 MiB; brackets and commas need some.
BYTES_MAX = 2 * 1024 * 1024 - 1024

# What one item came to, in its place.
Outcome = Task | APIError
_FIRST_ERROR = 400


class Item(msgspec.Struct, frozen=True):
    """One of many, as it is sent. `given_back`: the task, where a refused repeat may be none."""

    text: bytes
    given_back: str | None = None


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What to send where; the items are written as they are needed."""

    path: str
    items: Iterable[Item]


def create_many(items: Iterable[NewTask], now: datetime | None = None) -> Batch:
    """Create tasks; each has a key of its own, which makes a repeat harmless."""
    return Batch(path="/v1/tasks/batch", items=(_new(item, now) for item in items))


def complete_many(items: Iterable[Completion]) -> Batch:
    """Finish attempts."""
    return Batch(path="/v1/tasks/complete", items=map(_item, map(_completion, items)))


def fail_many(items: Iterable[Failure]) -> Batch:
    """Give attempts back."""
    return Batch(
        path="/v1/tasks/fail", items=(Item(encoded(_failure(item)), item.id) for item in items)
    )


def heartbeat_many(items: Iterable[Beat]) -> Batch:
    """Renew leases."""
    return Batch(path="/v1/tasks/heartbeat", items=map(_item, items))


def beats(leases: Sequence[Held]) -> Call[list[Outcome]]:
    """Renew 1 to 100 leases in one request."""
    items = [_item(Beat(id=held.task.id, lease_token=held.lease_token)) for held in leases]
    return _call("/v1/tasks/heartbeat", items)


def outcomes(exchange: Exchange, batch: Batch) -> Steps[list[Outcome]]:
    """Send all items, and those again that were refused for now; gives what each came to.

    What a request raises has in `outcomes` what the requests before it came to.
    """
    found: list[Outcome] = []
    try:
        for part in _parts(batch.items):
            found += yield from _settled(exchange, batch.path, part)
    except OrchestrionError as error:
        error.outcomes = tuple(found)
        raise
    except Exception as error:
        error.add_note(f"{len(found)} items were sent before.")
        raise
    return found


def _settled(exchange: Exchange, path: str, items: Sequence[Item]) -> Steps[list[Outcome]]:
    attempts = exchange.attempts()
    found = yield from _once(exchange, path, items)
    while passing := _passing(found):
        # The longest wait of them: with less some would be refused again.
        trouble = max(passing.values(), key=_wait)
        pause = attempts.pause_after(trouble, Repeat.ALWAYS, exchange.now())
        if pause is None:
            break
        exchange.tell(
            RetryNote(
                method="POST",
                path=path,
                retry=attempts.retries,
                pause_seconds=pause,
                trouble=trouble,
            )
        )
        yield Pause(seconds=pause)
        again = yield from _once(exchange, path, [items[place] for place in passing])
        for place, outcome in zip(passing, again, strict=True):
            found[place] = outcome
    return found


def _once(exchange: Exchange, path: str, items: Sequence[Item]) -> Steps[list[Outcome]]:
    sent = yield from exchange.sent(_call(path, items))
    found = sent.value
    if sent.unsure:
        for place, item in enumerate(items):
            if item.given_back is not None and _superseded(found[place]):
                found[place] = yield from _as_it_is(exchange, item.given_back, found[place])
    return found


def _as_it_is(exchange: Exchange, task_id: str, refused: Outcome) -> Steps[Outcome]:
    """Read a task that somebody has claimed since it was given back, as one then may."""
    try:
        return (yield from exchange.call(get(task_id)))
    except APIError:
        return refused


def _superseded(outcome: Outcome) -> bool:
    return isinstance(outcome, APIError) and outcome.details.get("reason") == "superseded"


def _passing(found: Sequence[Outcome]) -> dict[int, Trouble]:
    """Give the places of the items that were refused for now, and why."""
    refused = {
        place: Trouble(message=outcome.message, sent=False, refusal=outcome.refusal)
        for place, outcome in enumerate(found)
        if isinstance(outcome, APIError)
    }
    return {place: each for place, each in refused.items() if repeatable(each, Repeat.ALWAYS)}


def _wait(trouble: Trouble) -> float:
    return trouble.refusal.retry_after or 0.0 if trouble.refusal else 0.0


def _item(item: object) -> Item:
    return Item(encoded(item))


def _completion(item: Completion) -> dict[str, Any]:
    ending = Ending(result=item.result, output_id=item.output_id)
    return {"id": item.id, **completion(item.lease_token, ending)}


def _failure(item: Failure) -> dict[str, Any]:
    back = GivingBack(reason=item.reason, retry_after=item.retry_after)
    return {"id": item.id, **giving_back(item.lease_token, back)}


def _parts(items: Iterable[Item]) -> Iterator[list[Item]]:
    held: list[Item] = []
    size = 0
    for item in items:
        more = len(item.text) + 1
        if held and (len(held) == ITEMS_MAX or size + more > BYTES_MAX):
            yield held
            held, size = [], 0
        held.append(item)
        size += more
    if held:
        yield held


def _new(task: NewTask, now: datetime | None) -> Item:
    if not isinstance(task, NewTask):
        raise TypeError(f"create_many takes NewTask, not {type(task).__name__}")
    return Item(encoded(creation(task, now)))


def _call(path: str, items: Sequence[Item]) -> Call[list[Outcome]]:
    body = b'{"items":[' + b",".join(item.text for item in items) + b"]}"

    def decode(answer: bytes) -> list[Outcome]:
        found = [_outcome(item) for item in _ITEMS.decode(answer).items]
        if len(found) != len(items):
            raise msgspec.ValidationError(f"{len(found)} answers for {len(items)} items")
        return found

    return Call(method="POST", path=path, body=body, decode=decode)


class _Answer(msgspec.Struct, frozen=True):
    status: int
    body: msgspec.Raw


class _Answers(msgspec.Struct, frozen=True):
    items: list[_Answer]


_ITEMS = msgspec.json.Decoder(_Answers)


def _outcome(item: _Answer) -> Outcome:
    if item.status < _FIRST_ERROR:
        return read_task(item.body)
    return error_of(read_refusal(item.status, {}, bytes(item.body)))
