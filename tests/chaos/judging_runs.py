"""Holds a short campaign to its counts and to the checker, for the tests of each store."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tests.chaos import history
from tests.chaos.campaign import Plan, run
from tests.chaos.checker import RULES, Verdict, check
from tests.chaos.short import SHORT_FORMS

SEED: Final = 20_261_122
# More than that were neither granted nor refused: then too little of what happened is known.
DOUBTFUL_SHARE: Final = 0.25
# Every other rule must have had something to judge, or the campaign proves too little.
NEED_NOT_BE_JUDGED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "L1": "nobody may have looked at a task while it was quiet, long after its lease",
        "L3": "other faults may have come too soon after each kill",
        "L4": "there is no database to restart on SQLite; else as L3",
        "L5": "a stop is not among the faults that a short campaign must have",
        "L6": "a storm of a short campaign has no half minute of quiet before and after it",
    }
)


def not_judged(verdict: Verdict) -> list[str]:
    """Give the rules that had nothing to judge and should have had."""
    return [
        rule
        for rule in RULES
        if rule not in NEED_NOT_BE_JUDGED and not verdict.counts.get(f"judged {rule}")
    ]


def campaign_is_clean(store: str, folder: Path) -> None:
    """See that everything wanted was reached, and that the checker finds nothing wrong."""
    form = SHORT_FORMS[store]
    plan = Plan(
        seed=SEED,
        store=store,
        folder=folder / store,
        operations=form.operations,
        rate=form.rate,
        least=form.least,
        seconds_max=form.seconds_max,
        repeated_by=f"python -m pytest tests/chaos/test_{store}.py",
    )
    ended = run(plan)
    verdict = check(history.read(ended.folder))

    assert ended.lacks(plan) == {}
    doubtful = sum(n for name, n in ended.outcomes.items() if name.endswith(" info"))
    assert doubtful < ended.operations * DOUBTFUL_SHARE
    assert verdict.clean, verdict.text()
    assert not_judged(verdict) == []
    assert ended.drained
    assert ended.complaints == []
