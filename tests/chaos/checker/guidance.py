"""Guidance: one recommended action, first and available; what is available is not out of place."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any

from tests.chaos.checker.evidence import Evidence
from tests.chaos.checker.leases import HOLDERS
from tests.chaos.checker.verdict import NANOSECONDS, Report
from tests.chaos.history import Operation

REFUSED = "invalid_transition"
CLOCK = "F14"
_PATHS = {"claim_task": "claim"}
# Who answers so has not looked at the task: the advice to repeat the request is not about it.
UNSEEN = frozenset({429, 500, 503})


def judge(evidence: Evidence, report: Report) -> None:
    for operation in evidence.operations:
        for contract in contracts(operation):
            report.judge("S22")
            if not _one_recommended(contract):
                task = operation.task if operation.task in evidence.sights else None
                says = "not exactly one recommended action, first and available"
                report.add("S22", says, [operation], task)
                break
    for task in evidence.sights:
        if not report.explained(task):
            _truthful(evidence, report, task)


def contracts(operation: Operation) -> Iterator[dict[str, Any]]:
    """Give every agent_contract of an answer."""
    body = operation.body or {}
    for holder in (body, *(body.get("items") or ())):
        if isinstance(holder, dict) and "agent_contract" in holder:
            yield holder["agent_contract"]


def _one_recommended(contract: dict[str, Any]) -> bool:
    actions = contract.get("next_actions") or [{}]
    first, *others = actions
    return (
        first.get("recommended") is True
        and first.get("available") is True
        and not any(other.get("recommended") for other in others)
    )


def _truthful(evidence: Evidence, report: Report, task: str) -> None:
    about = sorted(
        {each.number: each for each in evidence.about(task)}.values(), key=lambda each: each.invoked
    )
    for place, operation in enumerate(about):
        if place == 0 or operation.task != task or operation.outcome == "info":
            continue
        before = about[place - 1]
        if before.account != operation.account or not _advised(before, operation, task):
            continue
        if not _alone(evidence, about, place) or _stepped(evidence, before, operation):
            continue
        if _in_time(before, operation):
            report.judge("S22")
            if operation.code == REFUSED:
                says = f"{operation.name} was marked available and refused at once"
                report.add("S22", says, [before, operation], task)
                return


def _advised(before: Operation, operation: Operation, task: str) -> bool:
    """Tell whether the answer before names this very request as possible."""
    endpoint = f"/v1/tasks/{task}/{_PATHS.get(operation.name, operation.name)}"
    if before.status in UNSEEN:
        return False
    body = before.body or {}
    item = next((one for one in body.get("items") or () if one.get("id") == task), body)
    actions = item.get("agent_contract", {}).get("next_actions", ())
    return any(
        action.get("endpoint") == endpoint
        and action.get("available")
        and action["method"] == "POST"
        for action in actions
    )


def _alone(evidence: Evidence, about: Sequence[Operation], place: int) -> bool:
    """Tell whether nobody else can have touched the task between advice and request."""
    before, operation = about[place - 1], about[place]
    if before.returned >= operation.invoked:
        return False
    if any(each.returned >= before.invoked for each in about[: place - 1]):
        return False
    if any(each.invoked <= operation.returned for each in about[place + 1 :]):
        return False
    if any(each.outcome == "info" for each in about[:place]):
        return False
    seen = evidence.sights[operation.task or ""]
    type_ = seen[0].task.get("type", "") if seen else ""
    lost = evidence.lost_claims.get((operation.account, type_), [])
    return bisect_left([each.invoked for each in lost], operation.returned) == 0


def _stepped(evidence: Evidence, before: Operation, operation: Operation) -> bool:
    """Tell whether the server's clock was set in between: leases may have ended at once."""
    return any(
        fault.id == CLOCK and fault.began <= operation.returned and fault.ended >= before.invoked
        for fault in evidence.history.faults
    )


def _in_time(before: Operation, operation: Operation) -> bool:
    """Tell whether a lease that the advice saw was still live at the answer."""
    contract = (before.body or {}).get("agent_contract", {})
    left = contract.get("lease_expires_in_seconds")
    if before.name == "list":
        return False
    if left is None:
        # A refusal tells nothing of when the lease ends that it advises by.
        return operation.name not in HOLDERS
    # A lease that was over stays over; one that lived must have gone on.
    over = contract.get("lease_valid") is False
    return over or (operation.returned - before.invoked) < left * NANOSECONDS
