"""Mutants under the ordinary campaign, which has no scene made for them: which does it find?"""

from pathlib import Path
from typing import Final

import msgspec

from tests.chaos import history
from tests.chaos.campaign import Plan, run
from tests.chaos.checker import check
from tests.chaos.mutants.catalogue import program
from tests.chaos.mutants.programme import SCENES
from tests.chaos.mutants.trial import SELLER, Outcome

# A kill leaves the system's memory alone, and the layer that forgets it is one process's own; and
# no campaign buys.
OUT_OF_REACH: Final = frozenset({"M5", SELLER})


def campaign(code: str, folder: Path, seed: int, seconds: float) -> Outcome:
    """Run the campaign against a mutant; any broken rule tells it from the sound service."""
    setting = SCENES[code].setting
    # A campaign has its own way to forget what has ended.
    conditions = msgspec.structs.replace(
        setting.conditions, purge_seconds=None, retention_seconds=None
    )
    again = f"python -m tests.chaos.all_mutants --campaign {seconds:g} --seed {seed} --only {code}"
    plan = Plan(
        seed=seed,
        store=setting.store,
        folder=folder / f"{code}-at-large",
        seconds=seconds,
        command=program(code),
        variables=conditions.variables(),
        repeated_by=again,
    )
    verdict = check(history.read(run(plan).folder))
    return Outcome(broken=tuple(sorted(verdict.rules)), expected=verdict.rules, text=again)
