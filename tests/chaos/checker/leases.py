"""Leases, in database time: one at a time, fenced, counted, not early, renewed as promised."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

from tests.chaos.checker.evidence import Evidence, sent, token_of, wanted
from tests.chaos.checker.instants import SECOND, instant
from tests.chaos.checker.sights import CLAIM, Lease, Shown, Sight
from tests.chaos.checker.verdict import Report
from tests.chaos.history import Operation

HOLDERS = frozenset({"complete", "fail", "heartbeat", "release"})
GIVES_BACK = frozenset({"complete", "fail", "release"})


def judge(evidence: Evidence, report: Report) -> None:
    holders: dict[str, tuple[str, Sight]] = {}
    for task, seen in evidence.sights.items():
        found = leases(evidence, task)
        _tokens(report, task, seen, holders)
        _counts(evidence, report, task, seen)
        _fenced(evidence, report, task, found)
        _exclusive(evidence, report, task, found)
        _attempts(evidence, report, task, found)
        _not_early(evidence, report, task, seen)
        _heartbeats(evidence, report, task, seen)


def leases(evidence: Evidence, task: str) -> list[Lease]:
    """Give a task's leases in the order in which the database began them; worked out once."""
    found = evidence.leases.get(task)
    if found is None:
        found = evidence.leases[task] = _leases(evidence.sights[task])
    return found


def _leases(seen: Sequence[Sight]) -> list[Lease]:
    first: dict[str, Sight] = {}
    ends: dict[str, int] = defaultdict(int)
    for sight in seen:
        token = sight.token if sight.verb == CLAIM else token_of(sight.operation)
        if token is None or sight.shown.lease_ends is None:
            continue
        if sight.verb == CLAIM:
            first.setdefault(token, sight)
        if sight.verb in (CLAIM, "heartbeat"):
            ends[token] = max(ends[token], sight.shown.lease_ends)
    found = [Lease(token, claim, ends[token]) for token, claim in first.items()]
    return sorted(found, key=lambda lease: lease.began)


def _tokens(
    report: Report, task: str, seen: Sequence[Sight], holders: dict[str, tuple[str, Sight]]
) -> None:
    """A token names one lease of one task: whenever it is told, the lease began at one instant."""
    for sight in seen:
        if sight.verb != CLAIM or sight.token is None:
            continue
        report.judge("S9")
        owner, before = holders.setdefault(sight.token, (task, sight))
        if owner != task or before.shown.claimed_at != sight.shown.claimed_at:
            operations = [before.operation, sight.operation]
            report.add("S9", "a lease token came twice", operations, task)
            return


def _counts(evidence: Evidence, report: Report, task: str, seen: Sequence[Sight]) -> None:
    """Attempts never pass the most; dead letter exactly when none is left."""
    states = [(sight.shown, sight.task, [sight.operation]) for sight in seen]
    final = evidence.final(task)
    if final is not None:
        states.append((final[1], final[0].task, list(evidence.about(task))))
    for state, shown, operations in states:
        most = shown.get("maxAttempts")
        if most is None or not isinstance(state.attempts, int):
            continue
        report.judge("S9")
        says = _miscounted(state, most)
        if says and not report.explained(task):
            report.add("S9", f"{says}: {state.attempts} of {most}", operations, task)


def _miscounted(state: Shown, most: int) -> str:
    if state.attempts > most:
        return "more attempts than allowed"
    if state.status == "dead_letter" and state.attempts < most:
        return "dead letter with attempts left"
    if state.status == "pending" and state.attempts >= most:
        return "pending with no attempt left"
    return ""


def _exclusive(evidence: Evidence, report: Report, task: str, found: Sequence[Lease]) -> None:
    for first, second in pairwise(found):
        report.judge("S4")
        if second.began >= first.ends or report.explained(task):
            continue
        if not _given_back(evidence, task, first, second):
            says = f"claimed {first.ends - second.began} ms before the lease before it ended"
            claims = (first.claim.operation, second.claim.operation)
            report.add("S4", says, evidence.between(task, *claims), task)


def _given_back(evidence: Evidence, task: str, first: Lease, second: Lease) -> bool:
    """Tell whether the first lease may have ended before its time and before the second."""
    for operation in evidence.named.get(task, ()):
        if operation.invoked > second.claim.operation.returned or operation.outcome == "fail":
            continue
        if operation.name == "requeue":
            return True
        if operation.name in GIVES_BACK and token_of(operation) in (None, first.token):
            return True
    return False


def _fenced(evidence: Evidence, report: Report, task: str, found: Sequence[Lease]) -> None:
    """No write under a former lease is acknowledged once the next claim was."""
    if not found:
        return
    began = {lease.token: place for place, lease in enumerate(found)}
    answered = [lease.claim.operation.returned for lease in found]
    for operation in evidence.named.get(task, ()):
        place = began.get(token_of(operation) or "", len(found))
        if operation.name not in HOLDERS or place >= len(found) - 1:
            continue
        if operation.invoked <= min(answered[place + 1 :]):
            continue
        report.judge("S5")
        # Behind a repeated failure stands a claim that is repeated: that answers again.
        repeated = operation.name == "fail" and "claim_next" in sent(operation)
        if operation.outcome == "ok" and not repeated and not report.explained(task):
            says = f"{operation.name} under a lease that another had followed"
            about = evidence.between(task, found[place].claim.operation, operation)
            report.add("S5", says, about, task)
    _stored_result(evidence, report, task)


def _stored_result(evidence: Evidence, report: Report, task: str) -> None:
    final = evidence.final(task)
    done = [
        each
        for each in evidence.named.get(task, ())
        if each.name == "complete" and each.outcome == "ok"
    ]
    if final is None or not done or final[1].status != "completed":
        return
    report.judge("S5")
    bodies = [sent(each).get("result") for each in done]
    if final[0].task.get("result", bodies[0]) not in bodies and not report.explained(task):
        report.add("S5", "another result is stored than was accepted", evidence.about(task), task)


def _attempts(evidence: Evidence, report: Report, task: str, found: Sequence[Lease]) -> None:
    """Count up by one a claim, as far as no lost request can stand between."""
    if not found or report.explained(task):
        return
    first = found[0].claim
    between = [each for each in evidence.named.get(task, ()) if each.outcome != "fail"]
    resets = [each for each in between if each.name in ("requeue", "release", "claim_task")]
    lost = evidence.lost_claims.get((first.operation.account, first.task["type"]))
    others = {each.number for each in resets} - {lease.claim.operation.number for lease in found}
    if others or lost:
        return
    for place, lease in enumerate(found, 1):
        report.judge("S9")
        if lease.claim.shown.attempts != place:
            says = f"attempt {place} counted as {lease.claim.shown.attempts}"
            about = evidence.between(task, found[0].claim.operation, lease.claim.operation)
            report.add("S9", says, about, task)
            return


def _not_early(evidence: Evidence, report: Report, task: str, seen: Sequence[Sight]) -> None:
    claims = [sight for sight in seen if sight.verb == CLAIM and sight.shown.claimed_at]
    requeued = any(
        each.name == "requeue" and each.outcome != "fail" for each in evidence.named.get(task, ())
    )
    for sight in claims:
        report.judge("S10")
        due = sight.shown.scheduled_at
        if due is not None and sight.shown.claimed_at < due and not report.explained(task):
            says = f"claimed {due - sight.shown.claimed_at} ms before its scheduledAt"
            about = evidence.between(task, seen[0].operation, sight.operation)
            report.add("S10", says, about, task)
    if requeued or report.explained(task):
        return
    for begun, due, operation in _waits(evidence, task, seen):
        report.judge("S10")
        early = [sight for sight in claims if begun < sight.shown.claimed_at < due]
        if early:
            operations = [operation, *(sight.operation for sight in early)]
            report.add("S10", "claimed before it was due again", operations, task)
            return


def _waits(
    evidence: Evidence, task: str, seen: Sequence[Sight]
) -> Sequence[tuple[int, int, Operation]]:
    """Give from when to when nobody may claim, by what was asked and acknowledged."""
    waits = []
    create = evidence.made.get(task)
    if create is not None and (text := wanted(create)["scheduledAt"]) is not None:
        waits.append((0, instant(text), create))
    for sight in seen:
        seconds = sent(sight.operation).get("retry_after_seconds")
        fresh = (sight.operation.number, task) in evidence.fresh
        if sight.verb == "fail" and seconds and fresh and sight.shown.status == "pending":
            failed_at = sight.shown.failed_at
            waits.append((failed_at, failed_at + seconds * SECOND, sight.operation))
    return waits


def _heartbeats(evidence: Evidence, report: Report, task: str, seen: Sequence[Sight]) -> None:
    lost = any(
        each.name == "heartbeat" and each.outcome == "info" for each in evidence.named.get(task, ())
    )
    renewals: dict[str | None, list[Sight]] = defaultdict(list)
    for sight in seen:
        if sight.verb == CLAIM:
            renewals[sight.token].append(sight)
        elif sight.verb == "heartbeat" and sight.shown.beat_at is not None:
            renewals[token_of(sight.operation)].append(sight)
    for token, sights in renewals.items():
        # In the database's order; a claim has had no beat yet.
        ordered = sorted(sights, key=lambda sight: sight.shown.beat_at or 0)
        known = 0
        for sight in ordered:
            if sight.verb == "heartbeat":
                report.judge("S11")
                says = _misbeaten(sight, known, lost=lost or token is None)
                if says and not report.explained(task):
                    about = evidence.between(task, ordered[0].operation, sight.operation)
                    report.add("S11", says, about, task)
            known = max(known, sight.shown.lease_ends or 0)


def _misbeaten(beat: Sight, known: int, *, lost: bool) -> str:
    at, ends = beat.shown.beat_at, beat.shown.lease_ends
    if ends is None:
        return "a heartbeat left no lease"
    renewed = at + beat.task["leaseDurationSeconds"] * SECOND
    if ends < max(renewed, known):
        return "a heartbeat made the lease shorter than now and its length"
    if ends > max(renewed, known) and known and not lost:
        return "a heartbeat made the lease longer than now and its length"
    if known and at >= known and not lost:
        return "a heartbeat renewed a lease that was over"
    return ""
