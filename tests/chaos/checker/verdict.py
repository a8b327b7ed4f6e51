"""What the checker says: violations with their shortest history, and how much it could judge."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from tests.chaos.history import Operation, Run

ELSEWHERE: Final = ("S19", "S20")
RULES: Final = tuple(
    rule
    for rule in (*(f"S{number}" for number in range(1, 23)), *(f"L{n}" for n in range(1, 9)))
    if rule not in ELSEWHERE
)
# Counted beside the rules: what is gone in the end.
DELETED: Final = "deleted by retention"
SHOWN_OPERATIONS_MAX: Final = 60
SHOWN_VIOLATIONS_MAX: Final = 20
_TOLD: Final = (
    *("id", "status", "attemptCount", "maxAttempts", "priority", "leaseDurationSeconds"),
    *("scheduledAt", "claimedAt", "leaseExpiresAt", "lastHeartbeatAt", "completedAt"),
    *("lastFailedAt", "cancelRequestedAt", "createdAt", "updatedAt", "result", "lease_token"),
)
NANOSECONDS: Final = 1_000_000_000


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """One broken promise, and the operations that show it, in order."""

    rule: str
    task: str | None
    says: str
    operations: Sequence[Operation]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The result for a run. Clean: nothing broken and nothing left undecided."""

    run: Run
    violations: Sequence[Violation]
    undecided: Sequence[str]
    counts: dict[str, int]

    @property
    def clean(self) -> bool:
        return not self.violations and not self.undecided

    @property
    def rules(self) -> frozenset[str]:
        return frozenset(violation.rule for violation in self.violations)

    def text(self) -> str:
        """Tell everything a reader needs to repeat the run and to see what went wrong."""
        judged = [f"{rule} {self.counts.get('judged ' + rule, 0)}" for rule in RULES]
        others = [f"{name} {count}" for name, count in self.counts.items() if "judged " not in name]
        lines = [
            "clean" if self.clean else "NOT clean",
            f"violations {len(self.violations)}, undecided tasks {len(self.undecided)}",
            "judged: " + ", ".join(judged) + "; elsewhere: " + ", ".join(ELSEWHERE),
            f"{DELETED}: {self.counts.get('judged ' + DELETED, 0)}",
            "operations: " + ", ".join(others),
        ]
        for violation in self.violations[:SHOWN_VIOLATIONS_MAX]:
            lines += _told(violation)
        if len(self.violations) > SHOWN_VIOLATIONS_MAX:
            lines.append(f"… and {len(self.violations) - SHOWN_VIOLATIONS_MAX} more")
        lines += [f"undecided: {task}" for task in self.undecided[:SHOWN_VIOLATIONS_MAX]]
        if "slowness" in self.run.settings:
            lines.append(f"bounds of time are stretched {self.run.settings['slowness']} times")
        lines += [f"seed {self.run.seed}, {self.run.store}", f"again: {self.run.command}"]
        return "\n".join(lines)


class Report:
    """Gathers what the rules say about one history."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self.undecided: list[str] = []
        self.judged: Counter[str] = Counter()
        self._broken: set[str] = set()

    def judge(self, rule: str, times: int = 1) -> None:
        """Count what a rule could be held against."""
        self.judged[rule] += times

    def add(
        self, rule: str, says: str, operations: Iterable[Operation], task: str | None = None
    ) -> None:
        """Note a broken rule."""
        ordered = sorted(set_of(operations), key=lambda each: (each.invoked, each.number))
        self.violations.append(Violation(rule=rule, task=task, says=says, operations=ordered))
        if task is not None:
            self._broken.add(task)

    def explained(self, task: str) -> bool:
        """Tell whether some rule says already what is wrong with a task."""
        return task in self._broken


def set_of(operations: Iterable[Operation]) -> Iterable[Operation]:
    """Give each operation once."""
    return {operation.number: operation for operation in operations}.values()


def _told(violation: Violation) -> list[str]:
    lines = ["", f"{violation.rule} {violation.task or ''}: {violation.says}"]
    shown = violation.operations[:SHOWN_OPERATIONS_MAX]
    if not shown:
        return lines
    start = shown[0].invoked
    lines += [_line(operation, start, violation.task) for operation in shown]
    if len(violation.operations) > len(shown):
        lines.append(f"  … {len(violation.operations) - len(shown)} more")
    return lines


def _line(operation: Operation, start: int, task: str | None) -> str:
    began = (operation.invoked - start) / NANOSECONDS
    ended = (operation.returned - start) / NANOSECONDS
    said = {
        "task": operation.task,
        "token": operation.lease_token,
        "key": operation.key,
        "sent": operation.sent,
        "answer": operation.code or _brief(operation.body, task),
    }
    rest = " ".join(f"{name}={value}" for name, value in said.items() if value is not None)
    return (
        f"  {began:9.3f}-{ended:9.3f} s #{operation.number} p{operation.process}"
        f" {operation.account} r{operation.replica} {operation.name} {operation.outcome}"
        f" {operation.status or ''} {rest}"
    )


def _brief(body: dict[str, Any] | None, task: str | None) -> object:
    """Keep of an answer what rules look at; of a list the task in question."""
    if body is None:
        return None
    items = [item for item in body.get("items") or () if item.get("id") == task]
    whole = body | (items[0] if items else {}) | (body.get("task") or {})
    return {name: whole[name] for name in _TOLD if whole.get(name) is not None}
