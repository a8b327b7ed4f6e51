"""Waiting for tasks over several long polls, as steps that a driver takes."""

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Literal

import msgspec
from msgspec.structs import replace

from orchestrion.client import calls
from orchestrion.client.call import Call
from orchestrion.client.errors import OrchestrionError, Timeout
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
# However little time is left, a passing trouble of the network is outlived.
PATIENCE_SECONDS_MIN = 2.0
SHOWN_MAX = 3

Mode = Literal["all", "any"]
# How a claim is asked for: who wants more of its answer reads it otherwise.
Ask = Callable[[calls.Claiming], Call[Claimed]]


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """What to wait for, and for how many seconds; None: for ever."""

    ids: tuple[str, ...]
    timeout: float | None = None
    mode: Mode = "all"


def several(task_ids: Iterable[str]) -> tuple[str, ...]:
    """Take ids; raises TypeError for a single text, which is a row of letters to Python."""
    if isinstance(task_ids, str):
        raise TypeError("Give a list of ids; for a single one there is tasks.wait.")
    return tuple(task_ids)


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
    ids = list(dict.fromkeys(waiting.ids))
    over: set[str] = set()
    while left := [task_id for task_id in ids if task_id not in over]:
        began = exchange.now()
        ended = yield from _round(exchange, left, waiting.mode, deadline)
        over |= ended
        still_open = [task_id for task_id in left if task_id not in ended]
        if not still_open or (over and waiting.mode == "any"):
            break
        rest = _rest(deadline - exchange.now(), still_open)
        if not ended and exchange.now() - began < REST_SECONDS:
            yield Pause(seconds=rest)
    found: list[Task] = []
    for task_id in ids:
        if task_id in over:
            # An id nobody knows is refused here, with the server's own words.
            task = yield from exchange.call(calls.get(task_id))
            found.append(task)
    return found


def _round(exchange: Exchange, ids: list[str], mode: Mode, deadline: float) -> Steps[set[str]]:
    """Ask for all ids once, which may take several requests; gives those that are over."""
    over: set[str] = set()
    for start in range(0, len(ids), IDS_MAX):
        left = deadline - exchange.now()
        # Where one has ended already, the others are only looked at.
        seconds = 0 if over and mode == "any" else _turn(left, alone=len(ids) <= IDS_MAX)
        asked = wait_call(ids[start : start + IDS_MAX], mode, seconds)
        patience = max(left, PATIENCE_SECONDS_MIN)
        seen = yield from exchange.call(replace(asked, patience=patience))
        over.update((task.id for task in seen.items), seen.not_found)
    return over


def claim_within(
    exchange: Exchange, claiming: calls.Claiming, wait: float, ask: Ask = calls.claim
) -> Steps[Claimed]:
    """Claim until something is handed out, or the seconds are over."""
    deadline = _deadline(exchange, wait)
    while True:
        began = exchange.now()
        seconds = _turn(deadline - began, alone=True)
        asked = replace(claiming, wait_seconds=seconds, idempotency_key=calls.new_key())
        patience = max(deadline - began, PATIENCE_SECONDS_MIN) if wait > 0 else None
        claimed = yield from _claim(exchange, replace(ask(asked), patience=patience), asked)
        left = deadline - exchange.now()
        if claimed.leases or left <= 0:
            return claimed
        if exchange.now() - began < REST_SECONDS:
            yield Pause(seconds=min(REST_SECONDS, left))


def _claim(exchange: Exchange, call: Call[Claimed], asked: calls.Claiming) -> Steps[Claimed]:
    try:
        return (yield from exchange.call(call))
    except BaseException as stopped:
        # An interrupt or a cancellation: the claim may have been answered all the same.
        if not isinstance(stopped, Exception | GeneratorExit):
            yield from _undo(exchange, asked)
        raise


def _undo(exchange: Exchange, asked: calls.Claiming) -> Steps[None]:
    """Release what a claim was handed that nobody waits for any more; a try, no promise."""
    with suppress(OrchestrionError):
        asked = replace(asked, wait_seconds=0)
        for held in (yield from exchange.once(calls.claim(asked))).leases:
            back = calls.GivingBack(reason="the claim was given up")
            yield from exchange.once(calls.release(held.task.id, held.lease_token, back))


def _deadline(exchange: Exchange, timeout: float | None) -> float:
    if timeout is None:
        return math.inf
    if math.isnan(timeout):
        raise ValueError(f"{timeout} is no number of seconds to wait for.")
    return exchange.now() + timeout


def _turn(left: float, *, alone: bool) -> int:
    longest = WAIT_SECONDS_MAX if alone else TURN_SECONDS
    return max(0, math.floor(min(left, longest)))


def _rest(left: float, open_ids: list[str]) -> float:
    if left <= 0:
        shown = ", ".join(open_ids[:SHOWN_MAX])
        raise Timeout(
            f"{len(open_ids)} tasks have not ended in time, among them {shown}. "
            "Next: wait on, or ask tasks.explain why they wait."
        )
    return min(REST_SECONDS, left)
