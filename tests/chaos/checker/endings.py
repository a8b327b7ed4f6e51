"""Ends of tasks: one completion, nothing after the end, and answers that show the whole effect."""

from collections.abc import Sequence
from typing import Final

from tests.chaos.checker.evidence import Evidence, sent, token_of
from tests.chaos.checker.sights import ENDED, FOREVER, MISSING, Shown, Sight, canonical
from tests.chaos.checker.verdict import NANOSECONDS, Report
from tests.chaos.history import Operation

CRASHED: Final = 500
READS: Final = frozenset({"get", "list", "health"})
# A commit whose end is not known is answered so while the database is hurt, or just after.
HURT_SECONDS: Final = 2
_AFTER = {
    "complete": frozenset({"completed"}),
    "fail": frozenset({"pending", "dead_letter", "cancelled"}),
    "heartbeat": frozenset({"claimed"}),
    "requeue": frozenset({"pending"}),
    "claim": frozenset({"claimed"}),
    "create": frozenset({"pending"}),
}


def judge(evidence: Evidence, report: Report) -> None:
    _crashes(evidence, report)
    for task, seen in evidence.sights.items():
        _effects(evidence, report, task, seen)
        _one_completion(report, task, seen)
        _unchanged(evidence, report, task, seen)


def _crashes(evidence: Evidence, report: Report) -> None:
    """No request crashes: only a write may come to an end that a broken database leaves open."""
    for operation in evidence.operations:
        if operation.status != CRASHED:
            continue
        if operation.name in READS or not _hurt(evidence, operation):
            known = operation.task if operation.task in evidence.sights else None
            report.add("S14", f"{operation.name} crashed", [operation], known)


def _hurt(evidence: Evidence, operation: Operation) -> bool:
    since = operation.invoked - int(HURT_SECONDS * evidence.slowness * NANOSECONDS)
    return any(
        fault.began <= operation.returned and fault.ended >= since
        for fault in evidence.history.faults
    )


def _effects(evidence: Evidence, report: Report, task: str, seen: Sequence[Sight]) -> None:
    for sight in seen:
        possible = _AFTER.get(sight.verb)
        if possible is None:
            continue
        report.judge("S14")
        # The repeat of a fail or release shows the task as it has become since.
        fresh = (sight.operation.number, task) in evidence.fresh
        if fresh and sight.shown.status not in possible:
            says = f"{sight.verb} was acknowledged and the task is {sight.shown.status}"
            report.add("S14", says, [sight.operation], task)
        elif sight.verb == "complete" and _handed_in(sight.operation) != _kept(sight.shown):
            report.add("S14", "completed with another result", [sight.operation], task)


def _one_completion(report: Report, task: str, seen: Sequence[Sight]) -> None:
    done = [sight for sight in seen if sight.verb == "complete"]
    if not done:
        return
    report.judge("S6", len(done))
    if report.explained(task):
        return
    operations = [sight.operation for sight in done]
    ways = {(token_of(each), _handed_in(each)) for each in operations}
    if len(ways) > 1:
        report.add("S6", "two completions were acknowledged", operations, task)
    elif len({sight.shown.completed_at for sight in done}) > 1:
        report.add("S6", "a repeated completion took effect again", operations, task)


def _unchanged(evidence: Evidence, report: Report, task: str, seen: Sequence[Sight]) -> None:
    """Hold every later sight against the first of an end, in the clients' order of time."""
    end = min(
        (sight for sight in seen if sight.shown.status in ENDED),
        key=lambda sight: sight.operation.returned,
        default=None,
    )
    if end is None:
        return
    later = [
        sight.shown
        for sight in seen
        if sight.operation.invoked > end.operation.returned and sight.verb in ("read", *_AFTER)
    ]
    report.judge("S7", len(later))
    final = evidence.final(task)
    if final is not None:
        report.judge("S7")
    if report.explained(task) or _requeued(evidence, task, end.shown):
        return
    changed = [state for state in later if not _older(state, end.shown)]
    changed += [final[1]] if final is not None else []
    state = next((each for each in changed if _broken(end.shown, each)), None)
    if state is not None:
        says = f"was {end.shown.status} and is {_difference(end.shown, state)}"
        report.add("S7", says, evidence.about(task), task)


def _requeued(evidence: Evidence, task: str, end: Shown) -> bool:
    """Tell whether somebody may have given a dead task a new start."""
    return end.status == "dead_letter" and any(
        each.name == "requeue" and each.outcome != "fail" for each in evidence.named.get(task, ())
    )


def _broken(end: Shown, state: Shown) -> bool:
    if end.status not in FOREVER:
        return state.status != end.status
    return any(
        was != now and MISSING not in (was, now) for was, now in zip(end, state, strict=True)
    )


def _older(state: Shown, end: Shown) -> bool:
    """Tell whether a read shows what was before the end: stale, which is another rule's."""
    return bool(state.status != end.status and state.updated_at < end.updated_at)


def _difference(end: Shown, state: Shown) -> str:
    names = [
        name
        for name, was, now in zip(Shown._fields, end, state, strict=True)
        if was != now and MISSING not in (was, now)
    ]
    return f"{state.status} with another {', '.join(names)}"


def _handed_in(operation: Operation) -> tuple[object, object]:
    body = sent(operation)
    result = body.get("result")
    return (None if result is None else canonical(result), body.get("output_id"))


def _kept(state: Shown) -> tuple[object, object]:
    return (state.result, state.output)
