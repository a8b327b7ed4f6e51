"""Limits of plans: accepted creates and claims in a window, and live leases at every instant."""

from collections import defaultdict
from collections.abc import Sequence

from tests.chaos.checker.evidence import Evidence, moment, token_of
from tests.chaos.checker.instants import SECOND
from tests.chaos.checker.leases import GIVES_BACK, leases
from tests.chaos.checker.sights import Lease
from tests.chaos.checker.verdict import Report
from tests.chaos.history import Operation

HOUR = 3_600 * SECOND
CYCLE = 30 * 24 * HOUR


def judge(evidence: Evidence, report: Report) -> None:
    held: dict[str, list[tuple[int, int, Operation]]] = defaultdict(list)
    for task in evidence.sights:
        for lease in leases(evidence, task):
            until = _surely_until(evidence, task, lease)
            held[lease.claim.operation.account].append((lease.began, until, lease.claim.operation))
    made: dict[str, list[tuple[int, Operation]]] = defaultdict(list)
    for task, create in evidence.made.items():
        at = moment(next(seen for seen in evidence.sights[task] if seen.verb == "create"))
        if at is not None:
            made[create.account].append((at, create))
    for name, plan in evidence.plans.items():
        claims = [(began, claim) for began, _, claim in held[name]]
        _accepted(report, "creates", made[name], plan.get("monthly_tasks"), CYCLE)
        _accepted(report, "creates", made[name], plan.get("creates_per_hour"), HOUR)
        _accepted(report, "claims", claims, plan.get("claims_per_hour"), HOUR)
        if plan.get("max_workers") is not None:
            _live(report, name, held[name], plan["max_workers"])


def _accepted(
    report: Report,
    what: str,
    accepted: Sequence[tuple[int, Operation]],
    limit: int | None,
    window: int,
) -> None:
    if limit is None or not accepted:
        return
    report.judge("S18", len(accepted))
    ordered = sorted(accepted, key=lambda each: each[0])
    span = ordered[-1][0] - ordered[0][0]
    # A window may have begun before the run, so that two of them share a span.
    windows = 1 if span * 2 < window else 2 + span // window
    if len(ordered) > limit * windows:
        says = f"{len(ordered)} {what} were accepted where {limit * windows} are allowed"
        report.add("S18", says, [operation for _, operation in ordered])


def _live(
    report: Report, account: str, held: Sequence[tuple[int, int, Operation]], limit: int
) -> None:
    report.judge("S18", len(held))
    # At one instant a lease ends before the next begins.
    changes = sorted(
        change
        for began, until, claim in held
        if began < until
        for change in ((began, 1, claim.number), (until, 0, claim.number))
    )
    live: dict[int, int] = defaultdict(int)
    claims = {claim.number: claim for _, _, claim in held}
    count = 0
    for _, begins, number in changes:
        count += 1 if begins else -1
        live[number] += 1 if begins else -1
        if count > limit:
            operations = [claims[each] for each, many in live.items() if many > 0]
            report.add("S18", f"{account} held {count} live leases of {limit}", operations)
            return


def _surely_until(evidence: Evidence, task: str, lease: Lease) -> int:
    """Give until when a lease lived for certain: its end, or the first chance of another."""
    until = lease.ends
    for operation in evidence.named.get(task, ()):
        name, outcome = operation.name, operation.outcome
        if outcome == "fail" or name not in GIVES_BACK:
            continue
        if token_of(operation) in (None, lease.token):
            until = min(until, max(lease.began, _ended(evidence, task, operation)))
    return until


def _ended(evidence: Evidence, task: str, operation: Operation) -> int:
    """Give when a lease was given back, or no later than which if the answer does not say."""
    if operation.outcome == "ok" and (operation.number, task) in evidence.fresh:
        for sight in evidence.sights[task]:
            if sight.operation is operation:
                return int(sight.shown.updated_at)
    return evidence.low(operation)
