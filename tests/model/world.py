"""The worlds of the explorer as values: one task, two workers, what the network still carries."""

from enum import StrEnum
from functools import cache
from typing import Final

import msgspec

from orchestrion.core.ids import LeaseToken
from orchestrion.core.instants import SECOND, Instant
from orchestrion.core.lease import Failure
from orchestrion.core.task import Task
from orchestrion.core.view import IdempotencyRow
from tests.factories import NOW
from tests.model.past import UNBORN, Past

LEASE_SECONDS = 30
MAX_ATTEMPTS = 2
# A step of the clock, forwards or backwards: a third of a lease.
SMALL = 10 * SECOND
RETRY_AFTER_SECONDS = 20


class Verb(StrEnum):
    """What workers, producers and the sweeper ask of the server."""

    CLAIM = "claim"
    CLAIM_IT = "claim by id"
    HEARTBEAT = "heartbeat"
    COMPLETE = "complete"
    COMPLETE_OTHERWISE = "complete with another result"
    FAIL = "fail"
    FAIL_FOR_LATER = "fail with retry_after"
    RELEASE = "release"
    COMPLETE_AND_CLAIM = "complete and claim the next"
    FAIL_AND_CLAIM = "fail and claim the next"
    CREATE = "create"
    CANCEL = "cancel"
    CANCEL_BY_FORCE = "cancel by force"
    REQUEUE = "requeue"
    SWEEP = "sweep"


CLAIMS = (Verb.CLAIM, Verb.CLAIM_IT)
OF_HOLDER = (
    Verb.HEARTBEAT,
    Verb.COMPLETE,
    Verb.COMPLETE_OTHERWISE,
    Verb.FAIL,
    Verb.FAIL_FOR_LATER,
    Verb.RELEASE,
)
# Each is one request: the end of an attempt and a claim under a key that the end gives.
AND_CLAIM = (Verb.COMPLETE_AND_CLAIM, Verb.FAIL_AND_CLAIM)
OF_OWNER = (Verb.CREATE, Verb.CANCEL, Verb.CANCEL_BY_FORCE, Verb.REQUEUE, Verb.SWEEP)


class Request(msgspec.Struct, frozen=True):
    """A request on its way: `worker` is -1 for producers and the sweeper.

    `token` is the one a holder sends, `fresh` the one made for a claim when it is served.
    `sent_at` is 0 unless a broken variant looks at it: worlds that differ in it alone are one.
    """

    verb: Verb
    worker: int = -1
    token: int = 0
    sent_at: int = 0
    fresh: int = 0


class Worker(msgspec.Struct, frozen=True):
    """What a worker believes and waits for; nothing it believes has to be true any more.

    `coming` is the token in the answer to its claim, on its way. `stray` is a request it gave up
    waiting for, which may arrive later all the same.
    """

    token: int = 0
    asked: Request | None = None
    coming: int = 0
    stray: Request | None = None

    @property
    def idle(self) -> bool:
        """Tell whether it may ask something."""
        return self.asked is None and not self.coming


class World(msgspec.Struct, frozen=True):
    """Everything that decides what can happen next; `past` is the oracle's own account of it."""

    now: Instant = NOW
    row: Task | None = None
    remembered: IdempotencyRow | None = None
    past: Past = UNBORN
    workers: tuple[Worker, Worker] = (Worker(), Worker())
    backs: int = 0


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """How far worlds go: releases of one life, strays at a time, steps of the clock back.

    `verbs` are those that workers know; ends that claim as well are asked for by name. Nothing
    else needs a bound: leases, requeues and time go on for ever, and worlds repeat.
    """

    releases: int = 1
    strays: int = 1
    backs: int = 1
    verbs: frozenset[Verb] = frozenset((*CLAIMS, *OF_HOLDER))
    transitions: int = 20_000_000


Key = tuple[object, ...]


def key_of(world: World) -> Key:
    """Name what two worlds must share to have the same future.

    Instants count from now, as far as a step back can still reach. Of tokens it matters whether
    they are the last one. The two workers may change places. What no decision reads (when the
    task was created, the names of the ones before) is left out.
    """
    reach = -SMALL * world.backs
    mine = [_key_of_worker(world, number) for number in (0, 1)]
    mine.sort()
    return (_key_of_row(world, reach), world.past.key(world.now, reach), world.backs, *mine)


def _key_of_row(world: World, reach: int) -> Key | None:
    row, now = world.row, world.now
    if row is None:
        return None
    return (
        row.status,
        row.attempt_count,
        row.lease_token is None,
        _ahead(row.lease_expires_at, now, reach),
        _ahead(row.scheduled_at, now, reach),
        _given_back(row.given_back_by, row.lease_token),
        row.release_count,
        row.cancel_requested_at is None,
        row.result,
    )


def _key_of_worker(world: World, number: int) -> tuple[int | str | bool, ...]:
    past = world.past
    if past.until is None:
        return _key_of_belief(world.workers[number], past.token, 0)
    mine = world.row is not None and world.row.claim_key == key_name(number)
    return (
        *_key_of_belief(world.workers[number], past.token, past.behind),
        past.claimed_with if past.claimed_by == number else "",
        mine,
    )


# Both workers believe the same things in very many worlds.
@cache
def _key_of_belief(worker: Worker, last: int, behind: int) -> tuple[int | str, ...]:
    """Name what a worker believes and waits for.

    A token is 0 for none, 1 for one that was replaced, 2 for the last one, 3 for the one at whose
    end, and with it, the live lease was claimed: the repeat of that end finds the lease.
    """

    def age(token: int) -> int:
        if token == 0:
            return 0
        return 3 if token == behind else 1 + (token == last)

    def sent(request: Request | None) -> tuple[int | str, ...]:
        if request is None:
            return ("", 0, 0)
        return (request.verb, age(request.token), request.sent_at)

    return (age(worker.token), age(worker.coming), *sent(worker.asked), *sent(worker.stray))


@cache
def _given_back(digest: bytes | None, token: LeaseToken | None) -> str:
    """Say what a lease was given back with: the digest names the token, which must not matter."""
    if digest is None or token is None:
        return ""
    meant = {failure_of(verb).digest(name, token): verb for verb, name in _GIVING_BACK}
    return str(meant[digest])


def failure_of(verb: Verb) -> Failure:
    """Give what a worker sends along when it gives a task back."""
    if verb is Verb.FAIL_FOR_LATER:
        return Failure(reason="no ink", retry_after_seconds=RETRY_AFTER_SECONDS)
    return Failure()


_GIVING_BACK: Final = (
    (Verb.FAIL, "fail"),
    (Verb.FAIL_FOR_LATER, "fail"),
    (Verb.RELEASE, "release"),
)


def _ahead(instant: Instant | None, now: Instant, reach: int) -> int | None:
    return None if instant is None else max(instant - now, reach)


def key_name(worker: int) -> str:
    """Name the idempotency key that a worker sends with each of its claims."""
    return f"worker {'AB'[worker]}"
