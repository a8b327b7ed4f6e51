"""What each request must come to, in the oracle's machine: accepted or not, and what then holds."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec.structs import replace

from orchestrion.core.instants import SECOND
from orchestrion.core.limits import RELEASES_MAX
from tests.model.past import (
    CANCELLED,
    CLAIMED,
    COMPLETED,
    DEAD_LETTER,
    PENDING,
    Past,
)
from tests.model.world import (
    AND_CLAIM,
    LEASE_SECONDS,
    MAX_ATTEMPTS,
    RETRY_AFTER_SECONDS,
    Request,
    Verb,
)

LEASE: Final = LEASE_SECONDS * SECOND
BODIES: Final[Mapping[Verb, int]] = MappingProxyType({Verb.COMPLETE: 1, Verb.COMPLETE_OTHERWISE: 2})


class Due(msgspec.Struct, frozen=True):
    """What a request must come to. A repeat is accepted and changes nothing."""

    accepted: bool
    past: Past
    repeat: bool = False


def due(past: Past, request: Request, now: int) -> Due:
    """Say what must become of a request that is decided now."""
    return _PROMISED[request.verb](past, request, now)


def _claim(past: Past, request: Request, now: int) -> Due:
    found = past.settled(now, MAX_ATTEMPTS)
    if past.live(now):
        # The same key finds the lease again, for the same request only.
        mine = past.claimed_by == request.worker and past.claimed_with == request.verb
        return Due(accepted=mine, past=past, repeat=mine)
    if found.status == PENDING and (found.due is None or found.due <= now):
        return Due(accepted=True, past=_claimed(found, request, now))
    # A claim of whatever comes next leaves an expiry behind; a refusal by id leaves nothing.
    return Due(accepted=False, past=found if request.verb is Verb.CLAIM else past)


def _claimed(past: Past, request: Request, now: int) -> Past:
    return replace(
        past,
        status=CLAIMED,
        token=request.fresh,
        attempts=past.attempts + 1,
        until=now + LEASE,
        given_back="",
        claimed_by=request.worker,
        claimed_with=str(request.verb),
        behind=request.token,
    )


def _of_holder(past: Past, request: Request, now: int) -> Due:
    if request.token != past.token:
        return Due(accepted=False, past=past)
    if _ended_so(past, request.verb):
        return Due(accepted=True, past=past, repeat=True)
    if not past.live(now):
        return Due(accepted=False, past=past)
    return Due(accepted=True, past=_CHANGES[request.verb](past, request.verb, now))


def _and_claim(past: Past, request: Request, now: int) -> Due:
    """End the attempt, then claim: with one task there is nothing but itself to be claimed."""
    behind = past.live(now) and past.behind == request.token
    if request.verb is Verb.FAIL_AND_CLAIM and behind and past.claimed_with == request.verb:
        return Due(accepted=True, past=past, repeat=True)
    if request.verb is Verb.COMPLETE_AND_CLAIM:
        return _of_holder(past, replace(request, verb=Verb.COMPLETE), now)
    ended = _of_holder(past, replace(request, verb=Verb.FAIL), now)
    if not ended.accepted or ended.past.status != PENDING:
        return ended
    if ended.past.due is not None and ended.past.due > now:
        return ended
    return Due(accepted=True, past=_claimed(ended.past, request, now))


def _ended_so(past: Past, verb: Verb) -> bool:
    if verb in BODIES:
        return past.done == BODIES[verb]
    return past.given_back == verb


def _beaten(past: Past, _: Verb, now: int) -> Past:
    return replace(past, until=max(past.until or 0, now + LEASE))


def _completed(past: Past, verb: Verb, _: int) -> Past:
    return replace(past, status=COMPLETED, until=None, done=BODIES[verb])


def _failed(past: Past, verb: Verb, now: int) -> Past:
    after = replace(past.attempt_over(MAX_ATTEMPTS), given_back=str(verb))
    if after.status != PENDING:
        return after
    wait = RETRY_AFTER_SECONDS * SECOND
    return replace(after, due=now + wait if verb is Verb.FAIL_FOR_LATER else None)


def _released(past: Past, verb: Verb, now: int) -> Past:
    if past.releases >= RELEASES_MAX:
        return _failed(past, verb, now)
    return replace(
        past,
        status=CANCELLED if past.withdrawn else PENDING,
        until=None,
        attempts=past.attempts - 1,
        releases=past.releases + 1,
        given_back=str(verb),
    )


def _create(past: Past, _: Request, __: int) -> Due:
    if past.status:
        return Due(accepted=True, past=past, repeat=True)
    return Due(accepted=True, past=replace(past, status=PENDING))


def _cancel(past: Past, request: Request, now: int) -> Due:
    found = past.settled(now, MAX_ATTEMPTS)
    if found.status == PENDING:
        return Due(accepted=True, past=replace(found, status=CANCELLED))
    if found.status == CLAIMED and request.verb is Verb.CANCEL_BY_FORCE:
        return Due(accepted=True, past=replace(past, withdrawn=True), repeat=past.withdrawn)
    return Due(accepted=False, past=past)


def _requeue(past: Past, _: Request, now: int) -> Due:
    found = past.settled(now, MAX_ATTEMPTS)
    if found.status != DEAD_LETTER:
        return Due(accepted=False, past=past)
    fresh = replace(found, status=PENDING, attempts=0, releases=0, due=None, withdrawn=False)
    return Due(accepted=True, past=fresh)


def _sweep(past: Past, _: Request, now: int) -> Due:
    return Due(accepted=True, past=past.settled(now, MAX_ATTEMPTS))


_CHANGES: Final[Mapping[Verb, Callable[[Past, Verb, int], Past]]] = MappingProxyType(
    {
        Verb.HEARTBEAT: _beaten,
        Verb.COMPLETE: _completed,
        Verb.COMPLETE_OTHERWISE: _completed,
        Verb.FAIL: _failed,
        Verb.FAIL_FOR_LATER: _failed,
        Verb.RELEASE: _released,
    }
)
_PROMISED: Final[Mapping[Verb, Callable[[Past, Request, int], Due]]] = MappingProxyType(
    {
        Verb.CLAIM: _claim,
        Verb.CLAIM_IT: _claim,
        **dict.fromkeys(_CHANGES, _of_holder),
        **dict.fromkeys(AND_CLAIM, _and_claim),
        Verb.CREATE: _create,
        Verb.CANCEL: _cancel,
        Verb.CANCEL_BY_FORCE: _cancel,
        Verb.REQUEUE: _requeue,
        Verb.SWEEP: _sweep,
    }
)
