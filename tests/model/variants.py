"""Cores with one thing broken: each must lead the explorer to a world that breaks a rule.

What is broken is replaced from outside while the explorer runs; the core has no switch for it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import MappingProxyType
from typing import Final
from unittest import mock

import msgspec
from msgspec.structs import replace

from orchestrion.core import claim_keys, idempotency, lifecycle, repeats
from orchestrion.core.ids import LeaseToken
from orchestrion.core.instants import SECOND, Instant
from orchestrion.core.lease import Completion
from orchestrion.core.lifecycle import Guard, Transition, Verb
from orchestrion.core.outcomes import Rejection
from orchestrion.core.task import Status, Task
from tests.model.exploring import Explored, explore
from tests.model.rules import SAFETY, Rule
from tests.model.world import Bounds
from tests.model.world import Verb as Asked

Broken = Callable[[], AbstractContextManager[object]]


class Variant(msgspec.Struct, frozen=True):
    """A broken core and the rule whose breach is the nearest; `late` as the explorer has it."""

    rule: Rule
    broken: Broken
    late: bool = False
    verbs: frozenset[Asked] = Bounds().verbs

    def explored(self) -> Explored:
        """Explore it until a rule breaks."""
        # A late command also shortens leases, which breaks nothing that a lease is for.
        rules = SAFETY if self.late else frozenset(Rule)
        with self.broken():
            bounds = Bounds(backs=0 if self.late else 1, verbs=self.verbs)
            return explore(bounds, rules, late=self.late)


def _instead(place: object, name: str, what: object) -> Broken:
    return lambda: mock.patch.object(place, name, what)


def _any_token(
    task: Task, verb: Verb, now: Instant, lease_token: LeaseToken | None
) -> Rejection | None:
    del lease_token
    return lifecycle.refusal(task, verb, now)


def _without(guard: Guard) -> Mapping[tuple[Status, Verb], Transition]:
    table = {
        pair: replace(row, guard=Guard.NONE) if row.guard is guard else row
        for pair, row in lifecycle.TABLE.items()
    }
    return MappingProxyType(table)


def _with(source: Status, verb: Verb, target: Status) -> Mapping[tuple[Status, Verb], Transition]:
    return MappingProxyType({**lifecycle.TABLE, (source, verb): Transition(target=target)})


def _banking(task: Task, now: Instant, lease_token: LeaseToken | None) -> Task | Rejection:
    beaten = _HEARTBEAT(task, now, lease_token)
    if isinstance(beaten, Rejection) or task.lease_expires_at is None:
        return beaten
    return replace(beaten, lease_expires_at=task.lease_expires_at + task.lease_seconds * SECOND)


def _shortening(task: Task, now: Instant, lease_token: LeaseToken | None) -> Task | Rejection:
    beaten = _HEARTBEAT(task, now, lease_token)
    if isinstance(beaten, Rejection):
        return beaten
    return replace(beaten, lease_expires_at=now + task.lease_seconds * SECOND)


def _beating_the_dead(task: Task, now: Instant, lease_token: LeaseToken | None) -> Task | Rejection:
    if task.status is Status.COMPLETED and lease_token == task.lease_token:
        return replace(task, last_heartbeat_at=now)
    return _HEARTBEAT(task, now, lease_token)


def _blind_sweep(task: Task, now: Instant) -> Task | Rejection:
    return _GIVEN_BACK(task, Verb.EXPIRE, now) if task.status is Status.CLAIMED else task


def _one_too_many(task: Task, verb: Verb, now: Instant) -> Task:
    more = replace(task, max_attempts=task.max_attempts + 1)
    return replace(_GIVEN_BACK(more, verb, now), max_attempts=task.max_attempts)


def _any_result(self: Completion, other: Completion) -> bool:
    del self, other
    return True


@contextmanager
def _uncounted() -> Iterator[None]:
    def claim(task: Task, now: Instant, lease: object) -> Task | Rejection:
        held = real(task, now, lease)
        return held if isinstance(held, Rejection) else replace(held, attempt_count=1)

    real: Callable[..., Task | Rejection] = lifecycle.claim
    with mock.patch.object(lifecycle, "claim", claim):
        yield


_HEARTBEAT: Final = lifecycle.heartbeat
_GIVEN_BACK: Final[Callable[[Task, Verb, Instant], Task]] = vars(lifecycle)["_given_back"]

VARIANTS: Final[Mapping[str, Variant]] = MappingProxyType(
    {
        "no token check": Variant(Rule.FENCING, _instead(lifecycle, "_not_held", _any_token)),
        "no lease check": Variant(
            Rule.OVER, _instead(lifecycle, "TABLE", _without(Guard.LEASE_ALIVE))
        ),
        "time taken before the lock": Variant(Rule.OVER, nullcontext, late=True),
        "heartbeats bank time": Variant(Rule.HEARTBEAT, _instead(lifecycle, "heartbeat", _banking)),
        "heartbeats shorten": Variant(
            Rule.HEARTBEAT, _instead(lifecycle, "heartbeat", _shortening)
        ),
        "late heartbeats write": Variant(
            Rule.OVER, _instead(lifecycle, "heartbeat", _beating_the_dead)
        ),
        "the sweeper does not look again": Variant(
            Rule.KEPT, _instead(lifecycle, "expire", _blind_sweep)
        ),
        "a held task is handed out": Variant(
            Rule.EXCLUSIVITY,
            _instead(lifecycle, "TABLE", _with(Status.CLAIMED, Verb.CLAIM, Status.CLAIMED)),
        ),
        "what is completed is put back": Variant(
            Rule.TERMINAL,
            _instead(lifecycle, "TABLE", _with(Status.COMPLETED, Verb.REQUEUE, Status.PENDING)),
        ),
        "an ended lease waits for the sweeper": Variant(
            Rule.AVAILABLE, _instead(lifecycle, "released", lambda task, _: task)
        ),
        "one attempt too many": Variant(
            Rule.DEAD_LETTER, _instead(lifecycle, "_given_back", _one_too_many)
        ),
        "attempts are not counted": Variant(Rule.ATTEMPTS, _uncounted),
        "schedules are ignored": Variant(
            Rule.NOT_EARLY, _instead(lifecycle, "TABLE", _without(Guard.DUE))
        ),
        "another result passes for a repeat": Variant(
            Rule.ONE_COMPLETION, _instead(Completion, "same_as", _any_result)
        ),
        "repeats of an end are unknown": Variant(
            Rule.REPEAT, _instead(repeats, "given_back_so", lambda *_: False)
        ),
        "repeats of an end that claims are unknown": Variant(
            Rule.REPEAT,
            _instead(repeats, "failed_before", lambda *_: None),
            verbs=frozenset({Asked.CLAIM, Asked.FAIL_AND_CLAIM}),
        ),
        "repeats of a claim are unknown": Variant(
            Rule.REPEAT, _instead(claim_keys, "held", lambda *_: ())
        ),
        "repeats of a create are unknown": Variant(
            Rule.REPEAT, _instead(idempotency, "replay", lambda *_: None)
        ),
    }
)
