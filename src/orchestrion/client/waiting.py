"""Waiting for tasks over several long polls, as steps that a driver takes."""

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from orchestrion.client import calls
from orchestrion.client.call import Call
from orchestrion.client.errors import Timeout
from orchestrion.client.exchange import Exchange, Pause, Steps
from orchestrion.client.payload import encoded
from orchestrion.client.task import Claimed, Task

# The longest the server holds a request open, and the most ids it takes in one.
WAIT_SECONDS_MAX = 50
IDS_MAX = 100
# Where there are more ids than fit one request, each turn is short, so that all have theirs.
TURN_SECONDS = 1
# A server that stops answers waits at once: that must not become a busy loop.
REST_SECONDS = 0.5

Mode = Literal["all", "any"]


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """What to wait for, and for how many seconds; None: for ever."""

    ids: tuple[str, ...]
    timeout: float | None = None
    mode: Mode = "all"


class Seen(msgspec.Struct, frozen=True):
    """What one long poll came to."""

    items: list[Task]
    remaining: list[str]
    not_found: list[str] = []


def wait_call(ids: Sequence[str], mode: Mode, seconds: int) -> Call[Seen]:
    """Ask which tasks have ended, and wait for it in the request."""
    body = {"ids": ids, "mode": mode, "wait_seconds": seconds}
    return Call(
        method="POST",
        path="/v1/tasks/wait",
        body=encoded(body),
        wait_seconds=seconds,
        decode=msgspec.json.Decoder(Seen).decode,
    )


def wait_many(exchange: Exchange, waiting: Waiting) -> Steps[list[Task]]:
    """Wait until all, or one, of the tasks have ended; gives those in the order of the ids."""
    deadline = _deadline(exchange, waiting.timeout)
    open_ids = list(dict.fromkeys(waiting.ids))
    over: set[str] = set()
    while open_ids and not (over and waiting.mode == "any"):
        progress = False
        for part in _parts(open_ids):
            began = exchange.now()
            seconds = _turn(deadline - began, alone=len(open_ids) <= IDS_MAX)
            seen = yield from exchange.call(wait_call(part, waiting.mode, seconds))
            ended = {*(task.id for task in seen.items), *seen.not_found}
            over |= ended
            progress = progress or bool(ended) or exchange.now() - began >= REST_SECONDS
        open_ids = [task_id for task_id in open_ids if task_id not in over]
        if open_ids and not progress:
            yield Pause(seconds=_rest(exchange, deadline, open_ids))
    found: list[Task] = []
    for task_id in dict.fromkeys(waiting.ids):
        if task_id in over:
            # An id nobody knows is refused here, with the server's own words.
            found.append((yield from exchange.call(calls.get(task_id))))
    return found


def claim_within(exchange: Exchange, claiming: calls.Claiming, wait: float) -> Steps[Claimed]:
    """Claim until something is handed out, or the seconds are over."""
    deadline = exchange.now() + wait
    while True:
        began = exchange.now()
        seconds = _turn(deadline - began, alone=True)
        asked = msgspec.structs.replace(claiming, wait_seconds=seconds)
        claimed = yield from exchange.call(calls.claim(asked))
        left = deadline - exchange.now()
        if claimed.leases or left <= 0:
            return claimed
        if exchange.now() - began < REST_SECONDS:
            yield Pause(seconds=min(REST_SECONDS, left))


def _deadline(exchange: Exchange, timeout: float | None) -> float:
    return math.inf if timeout is None else exchange.now() + timeout


def _turn(left: float, *, alone: bool) -> int:
    longest = WAIT_SECONDS_MAX if alone else TURN_SECONDS
    return max(0, math.floor(min(left, longest)))


def _rest(exchange: Exchange, deadline: float, open_ids: list[str]) -> float:
    left = deadline - exchange.now()
    if left <= 0:
        shown = ", ".join(open_ids[:3])
        raise Timeout(
            f"{len(open_ids)} tasks have not ended in time, among them {shown}. "
            "Next: wait on, or ask tasks.explain why they wait."
        )
    return min(REST_SECONDS, left)


def _parts(ids: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), IDS_MAX):
        yield ids[start : start + IDS_MAX]
