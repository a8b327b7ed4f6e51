"""Holds a short campaign to its counts and to the checker, for the tests of each store."""

from pathlib import Path
from typing import Final

from tests.chaos import history
from tests.chaos.campaign import Plan, run
from tests.chaos.checker import check
from tests.chaos.short import SHORT_FORMS

SEED: Final = 20_261_122
# More than that were neither granted nor refused: then too little of what happened is known.
DOUBTFUL_SHARE: Final = 0.25


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
    assert ended.drained
    assert ended.complaints == []
