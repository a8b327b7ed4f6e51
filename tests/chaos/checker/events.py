"""Turns what is known of one task into the events that the search puts in order."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from tests.chaos.checker.evidence import Evidence, mark, moment, sent, token_of, wanted
from tests.chaos.checker.instants import EARLIEST, LATEST, SECOND, instant
from tests.chaos.checker.model import ANY, Event, State, Task
from tests.chaos.checker.sights import CLAIM, READ, Shown, Sight
from tests.chaos.checker.steps import OF_STATE, STEPS
from tests.chaos.history import Operation

FOREVER: Final = float("inf")
FINAL: Final = -1
_NAMES: Final = {"claim_task": CLAIM}


class Search(NamedTuple):
    """One task's life to be explained: where it began and what was asked of it."""

    task: Task
    first: State
    events: Sequence[Event]


def searched(evidence: Evidence, task: str) -> Search | None:
    """Prepare the search of a task; None for one whose beginning nobody knows."""
    begin = _beginning(evidence, task)
    if begin is None:
        return None
    constants, first, account = begin
    lost = _lost(evidence, account, task)
    events = [*_shown(evidence, task, lost), *_unseen(evidence, task, account, lost)]
    events.sort(key=lambda event: event.invoked)
    return Search(constants, first, [*events, *_end(evidence, task, lost)])


def _beginning(evidence: Evidence, task: str) -> tuple[Task, State, str] | None:
    create = evidence.made.get(task)
    if create is not None:
        known = create.body or {}
        made = next(seen for seen in evidence.sights[task] if seen.verb == "create")
        account, first = create.account, made.shown
    else:
        whole = (seen for seen in evidence.sights[task] if "createdAt" in seen.task)
        if (seen := next(whole, None)) is None:
            return None
        known, account = seen.task, seen.operation.account
        first = _blank(evidence, account, seen)
    type_ = known.get("type")
    lost = evidence.lost_claims.get((account, str(type_)), ())
    constants = Task(
        max_attempts=known.get("maxAttempts", 0),
        lease=known.get("leaseDurationSeconds", 0) * SECOND,
        retention=evidence.retention(account),
        lost_lows=tuple(evidence.low(each) for each in lost),
        undoable=any(each.key is None for each in lost),
    )
    return (constants, State(first), account) if constants.max_attempts else None


def _blank(evidence: Evidence, account: str, seen: Sight) -> Shown:
    """Give a task as the create made it whose answer was lost."""
    made_at = instant(seen.task["createdAt"])
    asked = evidence.lost_creates.get((account, mark(seen.task)))
    due = None if asked is None else wanted(asked)["scheduledAt"]
    due_at = None if due is None else instant(due)
    later = due_at if due_at is not None and due_at > made_at else None
    nothing = Shown("pending", *[None] * (len(Shown._fields) - 1))
    return nothing._replace(attempts=0, updated_at=made_at, scheduled_at=later)


def _lost(evidence: Evidence, account: str, task: str) -> Sequence[Operation]:
    seen = evidence.sights[task]
    type_ = seen[0].task.get("type") if seen else None
    return evidence.lost_claims.get((account, str(type_)), ())


def _shown(evidence: Evidence, task: str, lost: Sequence[Operation]) -> Iterator[Event]:
    for seen in evidence.sights[task]:
        if seen.verb == "create":
            continue
        fresh = (seen.operation.number, task) in evidence.fresh
        at = moment(seen) if fresh else None
        event = _event(evidence, seen.operation, seen.verb, lost)
        yield event._replace(
            shown=seen.shown,
            token=seen.token if seen.verb == CLAIM else event.token,
            asked=_claim_asked(seen) if seen.verb == CLAIM else event.asked,
            low=event.low if at is None else at,
            high=event.high if at is None else at,
            may_repeat=not fresh,
        )


def _claim_asked(seen: Sight) -> dict[str, object]:
    """Give what a claim asked; behind the end of another attempt it stands inside."""
    body = sent(seen.operation)
    asked: dict[str, object] = body.get("claim_next") or body
    return asked


def _unseen(
    evidence: Evidence, task: str, account: str, lost: Sequence[Operation]
) -> Iterator[Event]:
    """Give what was refused or lost, as far as it says or could have done anything."""
    born = evidence.made.get(task)
    for operation in evidence.named.get(task, ()):
        verb = _NAMES.get(operation.name, operation.name)
        if operation.account != account or operation.outcome == "ok":
            continue
        if operation.outcome == "info" and verb in STEPS:
            event = _event(evidence, operation, verb, lost)
            yield event._replace(
                returned=FOREVER, high=LATEST, token=ANY if verb == CLAIM else event.token
            )
        elif operation.code in OF_STATE or verb in STEPS:
            early = born is None or operation.invoked < born.returned
            if not (operation.code == "task_not_found" and early):
                yield _event(evidence, operation, verb, lost)


def _event(evidence: Evidence, operation: Operation, verb: str, lost: Sequence[Operation]) -> Event:
    return Event(
        number=operation.number,
        verb=verb,
        outcome=operation.outcome,
        code=operation.code,
        invoked=operation.invoked,
        returned=operation.returned,
        low=evidence.low(operation),
        high=evidence.high(operation),
        shown=None,
        token=token_of(operation),
        asked=sent(operation),
        may_repeat=False,
        lost=bisect_left(lost, operation.returned, key=_invoked) if lost else 0,
    )


def _invoked(operation: Operation) -> int:
    return operation.invoked


def _end(evidence: Evidence, task: str, lost: Sequence[Operation]) -> Iterator[Event]:
    """The reads at the end come after everything."""
    found = evidence.final(task)
    if found is None:
        return
    last = evidence.last_moment + 1
    yield Event(
        number=FINAL,
        verb=READ,
        outcome="ok",
        code=None,
        invoked=last,
        returned=last + 1,
        low=EARLIEST,
        high=LATEST,
        shown=found[1],
        token=None,
        asked={},
        may_repeat=False,
        lost=len(lost),
    )
