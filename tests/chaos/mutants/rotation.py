"""Which mutants are played on which day: a quarter of them, all within four days."""

from collections.abc import Sequence
from datetime import date
from typing import Final

from tests.chaos.mutants.catalogue import MUTANTS

DAYS: Final = 4
A_DAY: Final = len(MUTANTS) // DAYS


def of_day(day: date) -> Sequence[str]:
    """Name the mutants of a day."""
    return tuple(MUTANTS)[day.toordinal() % DAYS :: DAYS]
