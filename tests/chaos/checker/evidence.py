"""A history arranged for judging: by task, by account, and by the database's clock."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import chain
from typing import Any, Final

from tests.chaos.checker.instants import SECOND, DatabaseClock, instant
from tests.chaos.checker.sights import (
    CLAIM,
    CLAIMS,
    READ,
    VERBS,
    Lease,
    Shown,
    Sight,
    canonical,
    shown,
    sights,
)
from tests.chaos.history import Final as FinalRead
from tests.chaos.history import History, Operation

DEFAULTS: Final = {"priority": 0, "maxAttempts": 3, "leaseDurationSeconds": 300}
DAY: Final = 24 * 3_600 * SECOND
# Where a source read the tasks at the end, the first of these is believed for the state.
SOURCES: Final = ("database", "get", "list")
# The moment by which a change is dated in an answer to the verb.
_MOMENTS: Final = {
    "create": "createdAt",
    CLAIM: "claimedAt",
    "heartbeat": "lastHeartbeatAt",
    "complete": "completedAt",
    "fail": "updatedAt",
    "release": "updatedAt",
    "cancel": "updatedAt",
    "requeue": "updatedAt",
}

Json = dict[str, Any]


class Evidence:
    """Everything the rules look at; arranged once."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.operations = history.operations
        self.sights: dict[str, list[Sight]] = defaultdict(list)
        self.creates: dict[tuple[str, str], list[Operation]] = defaultdict(list)
        self.named: dict[str, list[Operation]] = defaultdict(list)
        self.lost_claims: dict[tuple[str, str], list[Operation]] = defaultdict(list)
        self.made: dict[str, Operation] = {}
        self.fresh: set[tuple[int, str]] = set()
        self.finals: dict[str, dict[str, FinalRead]] = defaultdict(dict)
        self.leases: dict[str, list[Lease]] = {}
        self._ends: dict[str, tuple[FinalRead, Shown] | None] = {}
        self._arrange()

    @cached_property
    def plans(self) -> dict[str, Json]:
        """What is known of each account, by its name in the run."""
        return {account["name"]: account for account in self.history.run.accounts}

    @cached_property
    def owners(self) -> dict[str, str]:
        """Which account made a task, as far as an answer to a create says so."""
        return {task: create.account for task, create in self.made.items()}

    @cached_property
    def lost_creates(self) -> dict[tuple[str, bytes], Operation]:
        """A create whose answer was lost, by its account and what it would have made."""
        return {
            (each.account, mark(wanted(each))): each
            for each in self.operations
            if each.name == "create" and each.outcome == "info"
        }

    @cached_property
    def slowness(self) -> float:
        """How much slower than alone the machine was, as the run says; bounds stretch by it."""
        return max(1.0, float(self.history.run.settings.get("slowness", 1.0)))

    @cached_property
    def clock(self) -> DatabaseClock:
        come, fresh = [], []
        for seen in chain.from_iterable(self.sights.values()):
            if (at := moment(seen)) is None:
                continue
            come.append((seen.operation.returned, at))
            if (seen.operation.number, seen.id) in self.fresh:
                # What is shown is cut to milliseconds.
                fresh.append((seen.operation.invoked, at))
        return DatabaseClock(come, fresh)

    @cached_property
    def last_moment(self) -> int:
        """The client's clock when the last operation returned."""
        return max((each.returned for each in self.operations), default=0)

    def low(self, operation: Operation) -> int:
        """Give an instant that had come when the operation was asked."""
        return self._bounds[operation.number][0]

    def high(self, operation: Operation) -> int:
        """Give an instant that had not passed when the operation returned."""
        return self._bounds[operation.number][1]

    @cached_property
    def _bounds(self) -> dict[int, tuple[int, int]]:
        low, high = self.clock.low, self.clock.high
        return {each.number: (low(each.invoked), high(each.returned)) for each in self.operations}

    def about(self, task: str) -> Sequence[Operation]:
        """Every operation that names or shows a task."""
        shown_in = (seen.operation for seen in self.sights.get(task, ()))
        return [*self.named.get(task, ()), *shown_in]

    def between(self, task: str, first: Operation, last: Operation) -> Sequence[Operation]:
        """The operations on a task from one to another; of the reads none but these two."""
        return [
            each
            for each in self.about(task)
            if each in (first, last)
            or (
                each.name not in ("get", "list")
                and each.returned >= first.invoked
                and each.invoked <= last.returned
            )
        ]

    def retention(self, account: str) -> int | None:
        """How long an account's ended tasks are kept, in milliseconds, if that is known."""
        days = self.plans.get(account, {}).get("retention_days")
        return None if days is None else int(days * DAY)

    def final(self, task: str) -> tuple[FinalRead, Shown] | None:
        """Give a task as it was read at the end."""
        if task not in self._ends:
            found = self.finals.get(task, {})
            source = next((each for each in SOURCES if each in found), None)
            read = None if source is None else found[source]
            self._ends[task] = None if read is None else (read, shown(read.task))
        return self._ends[task]

    def _arrange(self) -> None:
        used: set[tuple[object, ...]] = set()
        for operation in self.operations:
            self._file(operation)
            for seen in sights(operation):
                self.sights[seen.id].append(seen)
                if seen.verb == "create":
                    self.made.setdefault(seen.id, operation)
                if seen.verb != READ and _first(seen, used):
                    self.fresh.add((operation.number, seen.id))
            _use(operation, used)
        for final in self.history.finals:
            self.finals[final.task["id"]][final.source] = final

    def _file(self, operation: Operation) -> None:
        if operation.task is not None:
            self.named[operation.task].append(operation)
        key = create_key(operation)
        if operation.name == "create" and key is not None:
            self.creates[operation.account, key].append(operation)
        if operation.outcome == "info":
            for type_ in types_asked(operation):
                self.lost_claims[operation.account, type_].append(operation)


def sent(operation: Operation) -> Json:
    """Give what was sent, or nothing."""
    return operation.sent or {}


def token_of(operation: Operation) -> str | None:
    """Give the lease token that a request carried."""
    token: str | None = operation.lease_token or sent(operation).get("lease_token")
    return token


def create_key(operation: Operation) -> str | None:
    """Give the idempotency key of a create, from header or body."""
    key: str | None = operation.key or sent(operation).get("idempotencyKey")
    return key


def types_asked(operation: Operation) -> Iterable[str]:
    """Name the types that a request would claim from."""
    body = sent(operation)
    wanted = body if operation.name == "claim" else body.get("claim_next") or {}
    if operation.name != "claim" and not wanted:
        return ()
    return {*wanted.get("types", ()), *([wanted["type"]] if "type" in wanted else [])}


def moment(seen: Sight) -> int | None:
    """Give the instant of the change that an answer tells of."""
    text = seen.task.get(_MOMENTS.get(seen.verb, ""))
    return instant(text) if isinstance(text, str) else None


def wanted(operation: Operation) -> Json:
    """Give what a create asks for, with the defaults filled in."""
    asked = DEFAULTS | sent(operation)
    names = ("type", "payload", "scheduledAt", *DEFAULTS)
    return {name: asked.get(name) for name in names}


def mark(task: Json) -> bytes:
    """Give what a task and the create that made it have in common."""
    return canonical([task.get("type"), task.get("payload")])


def may_repeat(operation: Operation, used: set[tuple[object, ...]]) -> bool:
    """Tell whether an answer may be an earlier request's: some request like it came before."""
    return any(sign in used for sign in _signs(operation))


def _first(seen: Sight, used: set[tuple[object, ...]]) -> bool:
    # A forced cancel and a repeated one leave updatedAt alone.
    if seen.verb == "cancel" and seen.shown.status != "cancelled":
        return False
    return not may_repeat(seen.operation, used)


def _use(operation: Operation, used: set[tuple[object, ...]]) -> None:
    used.update(_signs(operation))


def _signs(operation: Operation) -> Iterable[tuple[object, ...]]:
    """Say by what the service would know a repeat of the request."""
    name, account = operation.name, operation.account
    if name == "create":
        key = create_key(operation)
        return () if key is None else ((account, name, key),)
    if name in CLAIMS:
        return () if operation.key is None else ((account, CLAIM, operation.key),)
    token = token_of(operation)
    if name in VERBS and name != "heartbeat" and token is not None:
        return ((account, name, operation.task, token),)
    return ()
