"""Holds every rule against a history: first what is plain, then the search, then the times."""

from collections import Counter
from typing import Final

from tests.chaos.checker import (
    claims,
    creation,
    endings,
    guidance,
    isolation,
    leases,
    limits,
    linearizability,
    liveness,
    paging,
    timing,
)
from tests.chaos.checker.evidence import Evidence
from tests.chaos.checker.verdict import Report, Verdict
from tests.chaos.history import History

# In this order: what one of them explains of a task, a later one does not say again.
_JUDGES: Final = (
    isolation.judge,
    creation.judge,
    leases.judge,
    endings.judge,
    liveness.judge_leases,
    guidance.judge,
    linearizability.judge,
    claims.judge,
    paging.judge,
    limits.judge,
    liveness.judge,
    timing.judge,
)


def check(history: History) -> Verdict:
    """Judge a run."""
    evidence, report = Evidence(history), Report()
    for judge in _JUDGES:
        judge(evidence, report)
    counts: Counter[str] = Counter()
    for operation in history.operations:
        counts[f"{operation.name} {operation.outcome}"] += 1
    counts["undecided"] = len(report.undecided)
    counts.update({f"judged {rule}": count for rule, count in report.judged.items()})
    return Verdict(
        run=history.run,
        violations=report.violations,
        undecided=report.undecided,
        counts=dict(sorted(counts.items())),
    )
