"""Isolation: nothing of one account in what another is told."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Final

import msgspec

from tests.chaos.checker.evidence import Evidence, sent, token_of
from tests.chaos.checker.verdict import Report
from tests.chaos.history import Operation

IDS: Final = ("tsk_[0-9A-Za-z]+", "acct_[0-9A-Za-z]+", "lse_[0-9A-Za-z]+")
# So many canaries are looked for by name in every answer; more are told apart as whole words.
CANARIES_SOUGHT_MAX: Final = 16
# What may be said of a task that is not the asker's: that there is none, or nothing of tasks.
SILENT: Final = frozenset({"task_not_found", "invalid_request", "rate_limited", "server_error"})
_REST: Final = r"[0-9A-Za-z_.:-]+"


def judge(evidence: Evidence, report: Report) -> None:
    owners = {**_owned(evidence), **(canaries := _canaries(evidence))}
    patterns = _patterns(canaries)
    for operation in evidence.operations:
        _asked(evidence, report, operation)
        if operation.body is None:
            continue
        report.judge("S17")
        text = msgspec.json.encode(operation.body).decode()
        allowed = set() if operation.outcome == "ok" else _brought(operation)
        foreign = [
            word
            for word in {found for pattern in patterns for found in pattern.findall(text)}
            if owners.get(word, operation.account) != operation.account and word not in allowed
        ]
        if foreign:
            task = next((word for word in foreign if word in evidence.sights), None)
            says = f"{operation.account} was shown what is another's: {foreign[0]}"
            report.add("S17", says, [operation], task)


def _patterns(canaries: Iterable[str]) -> Sequence[re.Pattern[str]]:
    """Give what finds ids and canaries: a few by name, many by how they all begin."""
    sought = sorted(canaries, key=len, reverse=True)
    if len(sought) <= CANARIES_SOUGHT_MAX:
        words = [re.escape(canary) for canary in sought]
    else:
        words = [re.escape(_beginning(sought)) + _REST]
    # One by one, each with a beginning to leap to: together they would be tried at every letter.
    return [re.compile(word) for word in (*IDS, *words)]


def _beginning(words: Iterable[str]) -> str:
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*words, strict=False))
    return "".join(letters[0] for letters in alike)


def _asked(evidence: Evidence, report: Report, operation: Operation) -> None:
    """Asking for another's task must be answered as for one that never was."""
    owner = evidence.owners.get(operation.task or "")
    if owner is None or owner == operation.account or operation.outcome == "info":
        return
    report.judge("S17")
    if operation.outcome == "ok" or operation.code not in SILENT:
        says = f"{operation.account} was answered {operation.status} for a task of {owner}"
        report.add("S17", says, [operation], operation.task)


def _owned(evidence: Evidence) -> dict[str, str]:
    owners = dict(evidence.owners)
    for account in evidence.history.run.accounts:
        if account.get("id"):
            owners[account["id"]] = account["name"]
    for task, seen in evidence.sights.items():
        for sight in seen:
            if sight.token is not None and task in evidence.owners:
                owners.setdefault(sight.token, evidence.owners[task])
    return owners


def _canaries(evidence: Evidence) -> dict[str, str]:
    """Which account sent a canary; one that several sent proves nothing."""
    senders: dict[str, set[str]] = defaultdict(set)
    for operation in evidence.operations:
        for name in ("payload", "result"):
            document = sent(operation).get(name)
            canary = document.get("canary") if isinstance(document, dict) else None
            if isinstance(canary, str):
                senders[canary].add(operation.account)
    return {canary: accounts.pop() for canary, accounts in senders.items() if len(accounts) == 1}


def _brought(operation: Operation) -> set[str]:
    """Give what the asker sent itself and so may be told again."""
    return {word for word in (operation.task, token_of(operation)) if word is not None}
