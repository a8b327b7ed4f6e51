"""Claims by type: the best of what surely waited, and nothing only where nothing did."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tests.chaos.checker.evidence import Evidence, types_asked
from tests.chaos.checker.sights import CLAIM, READ, Sight
from tests.chaos.checker.verdict import Report
from tests.chaos.history import Operation


class Wait(NamedTuple):
    """From when to when, by the clients' clock, a task surely waited unchanged."""

    since: int
    until: int
    due_at: int
    priority: int
    task: str


def judge(evidence: Evidence, report: Report) -> None:
    waits = _waits(evidence, report)
    asked: dict[tuple[str, str], list[Operation]] = defaultdict(list)
    for operation in evidence.operations:
        if operation.name == "claim" and operation.outcome == "ok":
            for type_ in types_asked(operation):
                asked[operation.account, type_].append(operation)
    for key, claims in asked.items():
        line = sorted(waits.get(key, ()))
        for claim, waited in _beside(claims, line):
            _judged(evidence, report, claim, waited)


def _judged(evidence: Evidence, report: Report, claim: Operation, waited: Sequence[Wait]) -> None:
    low, body = evidence.low(claim), claim.body or {}
    due = [wait for wait in waited if wait.due_at <= low]
    least, taken = -1, body.get("task")
    if taken is None:
        report.judge("S13")
    elif (claim.number, taken["id"]) in evidence.fresh and due:
        report.judge("S12")
        given = [taken, *(one["task"] for one in body.get("tasks", ()))]
        least = min(task["priority"] for task in given)
    else:
        return
    better = sorted((wait for wait in due if wait.priority > least), key=lambda one: -one.priority)
    free = (wait for wait in better if not _touched(evidence, wait.task, claim))
    if (best := next(free, None)) is None:
        return
    operations = [claim, *evidence.about(best.task)]
    if taken is None:
        report.add("S13", "nothing was handed out though it waited", operations, best.task)
    else:
        says = f"priority {least} was handed out while priority {best.priority} waited"
        report.add("S12", says, operations, best.task)


def _touched(evidence: Evidence, task: str, claim: Operation) -> bool:
    """Tell whether anybody may have held the task's row meanwhile: a refusal does as well."""
    return any(
        each.invoked <= claim.returned
        and (each.outcome == "info" or each.returned >= claim.invoked)
        for each in evidence.named.get(task, ())
        if each.name != "get" and each is not claim
    )


def _beside(
    claims: Sequence[Operation], line: Sequence[Wait]
) -> Iterator[tuple[Operation, Sequence[Wait]]]:
    """Give each claim with what waited during the whole of it."""
    coming = iter(line)
    following = next(coming, None)
    waiting: list[Wait] = []
    for claim in claims:
        while following is not None and following.since <= claim.invoked:
            waiting.append(following)
            following = next(coming, None)
        waiting = [wait for wait in waiting if wait.until >= claim.invoked]
        yield claim, [wait for wait in waiting if wait.until >= claim.returned]


def _waits(evidence: Evidence, report: Report) -> dict[tuple[str, str], list[Wait]]:
    found: dict[tuple[str, str], list[Wait]] = defaultdict(list)
    for task, seen in evidence.sights.items():
        if report.explained(task):
            continue
        first = seen[0]
        key = (first.operation.account, first.task.get("type", ""))
        found[key] += _of_task(evidence, task, seen)
    return found


def _of_task(evidence: Evidence, task: str, seen: Sequence[Sight]) -> Iterator[Wait]:
    """A version that was seen twice stood between; it stood until the next change as well."""
    versions: dict[tuple[int, int], list[Sight]] = defaultdict(list)
    for sight in seen:
        fresh = (sight.operation.number, task) in evidence.fresh
        if sight.shown.status == "pending" and (sight.verb == READ or fresh):
            versions[sight.shown.updated_at, sight.shown.attempts].append(sight)
    for (_, attempts), sights in versions.items():
        first = sights[0]
        until = [sight.operation.invoked for sight in sights]
        if not _left(sights[0], seen):
            until += _taken(evidence, task, attempts, seen)
        final = evidence.final(task)
        if final is not None and final[1] == first.shown:
            until.append(evidence.last_moment)
        since = min(sight.operation.returned for sight in sights)
        if since < max(until):
            priority = first.task.get("priority", 0)
            yield Wait(since, max(until), first.shown.scheduled_at or 0, priority, task)


def _left(version: Sight, seen: Sequence[Sight]) -> bool:
    """Tell whether the task was pending again after this: then not the next claim ended it."""
    return any(
        sight.shown.status == "pending" and sight.shown.updated_at > version.shown.updated_at
        for sight in seen
    )


def _taken(evidence: Evidence, task: str, attempts: int, seen: Sequence[Sight]) -> list[int]:
    """Give when a claim took the task, if nothing lost can have stood between."""
    claims = [
        sight
        for sight in seen
        if sight.verb == CLAIM
        and sight.shown.attempts == attempts + 1
        and (sight.operation.number, task) in evidence.fresh
    ]
    # After a requeue or a release the same number comes again.
    if len(claims) != 1:
        return []
    taking = claims[0].operation
    lost = evidence.lost_claims.get((taking.account, claims[0].task["type"]), ())
    if any(each.key is None and each.invoked < taking.returned for each in lost):
        return []
    named = evidence.named.get(task, ())
    if any(each.outcome == "info" and each.invoked < taking.returned for each in named):
        return []
    return [taking.invoked]
