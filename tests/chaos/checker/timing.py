"""How soon the service is back after what the nemesis did, from its marks in the history.

What it reads of a fault: `id`, `name`, `began`, `ended` and of its details `replica`, `restarted`
(the clients' clock when the process or the database was started again; else `ended`), `exit`,
`stopped` (when a process that was asked to stop had ended) and `job`. A fault that another one
overlaps is not judged. A run on a machine that others use as well says in its settings by which
`slowness` the bounds are stretched; the verdict repeats it.
"""

from collections.abc import Iterator, Sequence
from statistics import quantiles
from typing import Any, Final

from tests.chaos.checker.evidence import Evidence
from tests.chaos.checker.verdict import NANOSECONDS, Report
from tests.chaos.history import Fault, Operation

API_BACK_SECONDS: Final = 5
DATABASE_BACK_SECONDS: Final = 10
RATE_SECONDS: Final = 30
RATE_SHARE: Final = 0.95
RATE_WINDOW_SECONDS: Final = 5
# Fewer answers than these a second make no rate.
RATE_LEAST: Final = 4
STOP_SECONDS: Final = 25
# What was sent so shortly before the signal may not have been accepted yet.
ACCEPTED_SECONDS: Final = 0.25
WIRES: Final = frozenset({"F3", "F4"})
LATENCY_SECONDS: Final = 30
LATENCY_FACTOR: Final = 2
LATENCY_LEAST: Final = 20
LATENCY_FLOOR: Final = NANOSECONDS // 20
SWEEP_SECONDS: Final = 5.0
MISSED_INTERVALS: Final = 3


def judge(evidence: Evidence, report: Report) -> None:
    for fault in evidence.history.faults:
        name = fault.name.lower()
        if fault.id == "F1" and "term" not in name:
            _back(evidence, report, fault, "L3", API_BACK_SECONDS)
        elif fault.id == "F6":
            _back(evidence, report, fault, "L4", DATABASE_BACK_SECONDS)
            _rate(evidence, report, fault)
        elif "term" in name.replace("terminate", ""):
            _stopped(evidence, report, fault)
        elif "overload" in name or fault.id == "F21":
            _latency(evidence, report, fault)
    _health(evidence, report)


def _back(evidence: Evidence, report: Report, fault: Fault, rule: str, seconds: float) -> None:
    started = int(fault.details.get("restarted", fault.ended))
    limit = started + int(seconds * evidence.slowness * NANOSECONDS)
    replica = fault.details.get("replica")
    asked = [
        each
        for each in evidence.operations
        if each.invoked >= fault.began and replica in (None, each.replica)
    ]
    if _disturbed(evidence, fault, fault.began, limit) or not asked:
        return
    served = [each for each in asked if each.returned >= started and _served(each)]
    if evidence.last_moment <= limit and not served:
        return
    report.judge(rule)
    first = min((each.returned for each in served), default=None)
    if first is None or first > limit:
        says = f"{fault.name}: nothing was answered within {seconds} s"
        report.add(rule, says, [each for each in asked if each.invoked <= limit])


def _rate(evidence: Evidence, report: Report, fault: Fault) -> None:
    started = int(fault.details.get("restarted", fault.ended))
    span, window = RATE_SECONDS * NANOSECONDS, RATE_WINDOW_SECONDS * NANOSECONDS
    before, until = fault.began - span, started + span
    first = evidence.operations[0].invoked
    if first > before or evidence.last_moment < until or _disturbed(evidence, fault, before, until):
        return
    done = sorted(each.returned for each in evidence.operations if each.outcome == "ok")
    usual = sum(before <= each < fault.began for each in done) / RATE_SECONDS
    if usual < RATE_LEAST:
        return
    report.judge("L4")
    best = max(
        sum(begin <= each < begin + window for each in done) / RATE_WINDOW_SECONDS
        for begin in range(started, until - window + 1, NANOSECONDS)
    )
    if best < usual * RATE_SHARE:
        says = (
            f"{fault.name}: {best:.1f} answers a second within {RATE_SECONDS} s, {usual:.1f} before"
        )
        report.add("L4", says, ())


def _stopped(evidence: Evidence, report: Report, fault: Fault) -> None:
    replica = fault.details.get("replica")
    accepted = fault.began - int(ACCEPTED_SECONDS * NANOSECONDS)
    inside = [
        each
        for each in evidence.operations
        if each.invoked < accepted
        and each.returned > fault.began
        and replica in (None, each.replica)
    ]
    report.judge("L5", 1 + len(inside))
    cut = [each for each in inside if each.outcome == "info" and not _held_back(evidence, each)]
    if cut:
        report.add("L5", f"{fault.name}: accepted requests were cut", cut)
    code, stopped = fault.details.get("exit", 0), fault.details.get("stopped", fault.ended)
    if code != 0:
        report.add("L5", f"{fault.name}: it ended with {code}", ())
    elif stopped - fault.began > STOP_SECONDS * evidence.slowness * NANOSECONDS:
        report.add("L5", f"{fault.name}: it took longer than {STOP_SECONDS} s", ())


def _held_back(evidence: Evidence, operation: Operation) -> bool:
    """Tell whether the wire was bad meanwhile: the request may never have been there as a whole."""
    return any(
        fault.id in WIRES and fault.began <= operation.returned and fault.ended >= operation.invoked
        for fault in evidence.history.faults
    )


def _latency(evidence: Evidence, report: Report, fault: Fault) -> None:
    span = LATENCY_SECONDS * NANOSECONDS
    window = RATE_WINDOW_SECONDS * NANOSECONDS
    if _disturbed(evidence, fault, fault.began - span, fault.ended + span):
        return
    usual = _p95(evidence.operations, fault.began - span, fault.began)
    later = [
        found
        for begin in range(fault.ended, fault.ended + span, NANOSECONDS)
        if (found := _p95(evidence.operations, begin, begin + window)) is not None
    ]
    if usual is None or not later:
        return
    report.judge("L6")
    if min(later) > max(LATENCY_FACTOR * usual, LATENCY_FLOOR):
        says = (
            f"{fault.name}: answers still took {min(later) / 1e6:.0f} ms, {usual / 1e6:.0f} before"
        )
        report.add("L6", says, ())


def _health(evidence: Evidence, report: Report) -> None:
    every = float(evidence.history.run.settings.get("sweep_seconds", SWEEP_SECONDS))
    bound = every * MISSED_INTERVALS
    for operation in evidence.operations:
        if operation.name != "health" or operation.outcome != "ok":
            continue
        job: dict[str, Any] | None = (operation.body or {}).get("leaseExpiryJob")
        if job is None:
            report.add("L7", "it is not told how late the job is", [operation])
            continue
        report.judge("L7")
        stale = job["staleSec"]
        healthy = stale is not None and stale <= bound
        stuck = any(
            "job" in fault.details
            and fault.began + (bound + 1) * NANOSECONDS < operation.invoked < fault.ended
            for fault in evidence.history.faults
        )
        if job["healthy"] and (not healthy or stuck):
            report.add("L7", f"a job that is {stale} s late counts as healthy", [operation])


def _disturbed(evidence: Evidence, fault: Fault, began: int, ended: int) -> bool:
    return any(
        other.began <= ended and other.ended >= began
        for other in evidence.history.faults
        if other is not fault
    )


def _served(operation: Operation) -> bool:
    return operation.outcome == "ok"


def _p95(operations: Sequence[Operation], began: int, ended: int) -> float | None:
    taken = list(_latencies(operations, began, ended))
    return None if len(taken) < LATENCY_LEAST else quantiles(taken, n=20)[-1]


def _latencies(operations: Sequence[Operation], began: int, ended: int) -> Iterator[int]:
    for each in operations:
        if began <= each.invoked < ended and each.outcome == "ok":
            yield each.returned - each.invoked
