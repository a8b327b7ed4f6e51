"""What must happen in the end: leases that end free their tasks, and every task comes to an end."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from tests.chaos.checker.evidence import Evidence
from tests.chaos.checker.instants import SECOND
from tests.chaos.checker.leases import leases
from tests.chaos.checker.sights import ENDED, READ, Sight
from tests.chaos.checker.verdict import NANOSECONDS, Report
from tests.chaos.history import Operation

VISIBLE_SECONDS: Final = 5
# The bound is one of the 99th percentile.
LATE_SHARE: Final = 0.01
# A service that was disturbed so long ago has caught up.
SETTLE_SECONDS: Final = 10


class Expiry(NamedTuple):
    """A lease that ended with nobody giving the task back, and who saw it too late."""

    task: str
    late: Operation | None


def judge_leases(evidence: Evidence, report: Report) -> None:
    expiries = list(_expiries(evidence))
    late = [expiry for expiry in expiries if expiry.late is not None]
    report.judge("L1", len(expiries))
    if len(late) > len(expiries) * LATE_SHARE:
        for expiry in late:
            says = f"its lease ended more than {VISIBLE_SECONDS} s before"
            report.add("L1", says, evidence.about(expiry.task), expiry.task)


def judge(evidence: Evidence, report: Report) -> None:
    # Poison first: what it says of a task is said more plainly than that the task is stuck.
    _poison(evidence, report)
    _stuck(evidence, report)


def _expiries(evidence: Evidence) -> Iterator[Expiry]:
    visible = int(VISIBLE_SECONDS * evidence.slowness * SECOND)
    for task, seen in evidence.sights.items():
        named = evidence.named.get(task, ())
        if any(each.name == "heartbeat" and each.outcome == "info" for each in named):
            continue
        refused = [
            each
            for each in named
            if each.name == "claim_task" and each.code == "invalid_transition"
        ]
        for lease in leases(evidence, task):
            after = _seen_after(evidence, seen, lease.ends + visible)
            held = [
                sight.operation
                for sight in after
                if sight.shown.status == "claimed" and sight.shown.claimed_at == lease.began
            ]
            late = held[0] if held else _refused_though_free(evidence, refused, seen, lease.ends)
            if after or late:
                yield Expiry(task, late)


def _seen_after(evidence: Evidence, seen: Sequence[Sight], bound: int) -> list[Sight]:
    return [
        sight
        for sight in seen
        if sight.verb == READ
        and evidence.low(sight.operation) >= bound
        and _quiet(evidence, sight.operation.invoked)
    ]


def _refused_though_free(
    evidence: Evidence, refused: Sequence[Operation], seen: Sequence[Sight], ends: int
) -> Operation | None:
    """Find a claim by id that was refused as a lease had ended, with nothing else in its way."""
    for operation in refused:
        before = [sight for sight in seen if sight.operation.returned < operation.invoked]
        if not before or evidence.low(operation) < ends:
            continue
        last = max(before, key=lambda sight: sight.shown.updated_at)
        held = last.shown.status == "claimed" and last.shown.lease_ends == ends
        left = held and last.shown.attempts < last.task["maxAttempts"]
        if left and not _disputed(evidence, last, operation):
            return operation
    return None


def _disputed(evidence: Evidence, last: Sight, operation: Operation) -> bool:
    """Tell whether the task may be held, or asked back, by what the last sight does not show."""
    lost = evidence.lost_claims.get((last.operation.account, last.task["type"]), ())
    return any(each.invoked <= operation.returned for each in lost) or any(
        each.outcome == "info"
        or (each.outcome == "ok" and each.returned >= operation.invoked)
        or (each.outcome == "ok" and each.name == "cancel")
        for each in evidence.about(last.id)
        if each.invoked <= operation.returned
    )


def _quiet(evidence: Evidence, moment: int) -> bool:
    since = moment - SETTLE_SECONDS * NANOSECONDS
    faults = evidence.history.faults
    return not any(fault.began <= moment and fault.ended >= since for fault in faults)


def _stuck(evidence: Evidence, report: Report) -> None:
    now = evidence.clock.low(evidence.last_moment)
    for task in evidence.finals:
        final = evidence.final(task)
        assert final is not None, "it was read at the end"
        _, state = final
        report.judge("L2")
        waits = state.status == "pending" and (state.scheduled_at or 0) > now
        if state.status not in ENDED and not waits and not report.explained(task):
            says = f"is {state.status} in the end"
            report.add("L2", says, evidence.about(task), task)


def _poison(evidence: Evidence, report: Report) -> None:
    """No task costs more leases than its attempts, and poison is dead in the end."""
    for task, seen in evidence.sights.items():
        most = seen[0].task.get("maxAttempts")
        given = [
            each
            for each in evidence.named.get(task, ())
            if each.name in ("requeue", "release") and each.outcome != "fail"
        ]
        found = leases(evidence, task)
        if not found or most is None or report.explained(task):
            continue
        report.judge("L8")
        final = evidence.final(task)
        if len(found) > most and not given:
            says = f"was handed out {len(found)} times of {most}"
            report.add("L8", says, evidence.about(task), task)
        elif final is not None and poisonous(final[0].task) and final[1].status not in ENDED:
            report.add("L8", "poison is not dead in the end", evidence.about(task), task)


def poisonous(task: dict[str, object]) -> bool:
    """Tell whether the generator marked a task as one that breaks every worker."""
    payload = task.get("payload")
    return isinstance(payload, dict) and bool(payload.get("poison"))
