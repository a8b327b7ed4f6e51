"""What became of creates: none lost, none invented, one per key, none deleted early."""

from collections import defaultdict
from typing import Final

from tests.chaos.checker.evidence import Evidence, create_key, mark, wanted
from tests.chaos.checker.sights import ENDED, Shown, canonical
from tests.chaos.checker.verdict import DELETED, Report
from tests.chaos.history import Operation

NOT_FOUND: Final = "task_not_found"
ENDS: Final = frozenset({"complete", "fail", "release", "cancel"})


def judge(evidence: Evidence, report: Report) -> None:
    _full_effect(evidence, report)
    _keys(evidence, report)
    _sources(evidence, report)
    _lost(evidence, report)
    _invented(evidence, report)


def _full_effect(evidence: Evidence, report: Report) -> None:
    for task, create in evidence.made.items():
        report.judge("S14")
        body, asked = create.body or {}, wanted(create)
        for name, value in asked.items():
            if name == "scheduledAt":
                continue
            if canonical(body.get(name)) != canonical(value):
                report.add("S14", f"created with another {name} than asked", [create], task)
                break


def _keys(evidence: Evidence, report: Report) -> None:
    for (_, key), creates in evidence.creates.items():
        done = [create for create in creates if create.outcome == "ok"]
        report.judge("S3", len(done))
        if len({(create.body or {}).get("id") for create in done}) > 1:
            report.add("S3", f"key {key} names two tasks", done, _named(done[0]))
        elif len({canonical(wanted(create)) for create in done}) > 1:
            report.add("S3", f"key {key} accepted two requests", done, _named(done[0]))
        asked = {canonical(wanted(create)) for create in creates}
        for create in creates:
            if create.code == "idempotency_conflict" and len(asked) == 1:
                report.add("S3", f"key {key} refuses its own request", creates)


def _sources(evidence: Evidence, report: Report) -> None:
    """Hold what was read at the end of each source against the creates: S1 and equal payloads."""
    sources = sorted({final.source for final in evidence.history.finals})
    for task, create in evidence.made.items():
        report.judge("S1", len(sources))
        report.judge("S21", len(sources))
        payload = canonical(wanted(create)["payload"])
        for source in sources:
            final = evidence.finals.get(task, {}).get(source)
            if final is None:
                _gone(evidence, report, task, f"is not in the last {source}")
                break
            if canonical(final.task.get("payload", wanted(create)["payload"])) != payload:
                about = evidence.about(task)
                report.add("S1", f"has another payload in the last {source}", about, task)
                break


def _lost(evidence: Evidence, report: Report) -> None:
    """A task that was there answers that it is not: told apart from a stale read by the end."""
    for task, create in evidence.made.items():
        for operation in evidence.named.get(task, ()):
            if operation.code != NOT_FOUND or operation.account != create.account:
                continue
            if operation.invoked < create.returned or report.explained(task):
                continue
            if task in evidence.finals:
                about = evidence.about(task)
                report.add("S15", "was not found, and was there in the end", about, task)
            else:
                _gone(evidence, report, task, "was not found")


def _gone(evidence: Evidence, report: Report, task: str, says: str) -> None:
    """Judge a task that is gone: deleted by retention, deleted wrongly, or lost."""
    account = evidence.owners[task]
    last = _last_state(evidence, task)
    kept, end = evidence.retention(account), evidence.clock.low(evidence.last_moment)
    if report.explained(task):
        return
    old = kept is not None and last.updated_at + kept <= end
    report.judge(DELETED)
    if last.status in ENDED:
        if kept is None or not old:
            report.add("S21", f"{says}, before its time", evidence.about(task), task)
    elif old:
        if not _may_have_ended(evidence, task, last):
            report.add("S21", f"{says}, though it had not ended", evidence.about(task), task)
    else:
        report.add("S1", f"was acknowledged and {says}", evidence.about(task), task)


def _may_have_ended(evidence: Evidence, task: str, last: Shown) -> bool:
    """Tell whether a task may have ended with nobody there to see it.

    An end whose answer was lost may have taken effect; and once its attempts are used up, by
    claims whose answers were lost as well, the last of its leases ends it.
    """
    if any(each.outcome == "info" and each.name in ENDS for each in evidence.named.get(task, ())):
        return True
    made = wanted(evidence.made[task])
    lost = evidence.lost_claims.get((evidence.owners[task], str(made["type"])), ())
    unseen = [each for each in lost if each.returned > evidence.made[task].invoked]
    attempts_left: int = made["maxAttempts"] - last.attempts
    return attempts_left <= len(unseen)


def _last_state(evidence: Evidence, task: str) -> Shown:
    return max(
        (seen.shown for seen in evidence.sights[task]),
        key=lambda state: (state.updated_at, state.status in ENDED),
    )


def _invented(evidence: Evidence, report: Report) -> None:
    """Every task that was ever seen comes from one create that was not refused."""
    unknown: dict[tuple[str, bytes], dict[str, Operation | None]] = defaultdict(dict)
    for task, seen in evidence.sights.items():
        if task not in evidence.made:
            first = seen[0]
            made = (first.operation.account, mark(first.task))
            unknown[made][task] = first.operation
    for task, sources in evidence.finals.items():
        report.judge("S2")
        final = next(iter(sources.values()))
        if task not in evidence.made:
            unknown[final.account, mark(final.task)].setdefault(task, None)
    _explain(evidence, report, unknown)


def _explain(
    evidence: Evidence,
    report: Report,
    unknown: dict[tuple[str, bytes], dict[str, Operation | None]],
) -> None:
    lost: dict[tuple[str, bytes], list[Operation]] = defaultdict(list)
    refused: dict[tuple[str, bytes], list[Operation]] = defaultdict(list)
    for create in evidence.operations:
        if create.name == "create" and create.outcome != "ok":
            where = lost if create.outcome == "info" else refused
            where[create.account, mark(wanted(create))].append(create)
    report.judge("S14", sum(len(creates) for creates in refused.values()))
    for made, tasks in unknown.items():
        makers = lost.get(made, [])
        room = len({create_key(create) or create.number for create in makers})
        room -= sum(_acknowledged(evidence, create) for create in _one_per_key(makers))
        if len(tasks) <= room:
            continue
        operations = [*makers, *refused.get(made, ()), *filter(None, tasks.values())]
        task = next(iter(tasks))
        if makers and any(create_key(create) for create in makers):
            report.add("S3", "a key made two tasks", operations, task)
        elif made in refused and not makers:
            report.add("S14", "a refused create made a task", operations, task)
        else:
            report.add("S2", "no create made it", operations, task)


def _acknowledged(evidence: Evidence, create: Operation) -> bool:
    """Tell whether a lost create was answered to a repeat, so that its task is known."""
    key = create_key(create)
    if key is None:
        return False
    return any(other.outcome == "ok" for other in evidence.creates[create.account, key])


def _one_per_key(creates: list[Operation]) -> list[Operation]:
    return list({create_key(create) or create.number: create for create in creates}.values())


def _named(create: Operation) -> str | None:
    name: str | None = (create.body or {}).get("id")
    return name
