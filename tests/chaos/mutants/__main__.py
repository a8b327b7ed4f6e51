"""Serves as a mutant: `python -m tests.chaos.mutants M7 serve …`; M0 is the sound service."""

import sys

from tests.chaos import serving_short
from tests.chaos.mutants import conditions

serving_short.prepare()
conditions.establish(conditions.given())
code = sys.argv.pop(1)

# What is imported from here on reads what was changed above; and all of it stands before it is
# broken, for the examples in its documents are worked out by its rules.
import orchestrion.main  # noqa: E402, F401
from tests.chaos.mutants.catalogue import MUTANTS, SOUND  # noqa: E402
from tests.chaos.mutants.seams import Seams  # noqa: E402

if code != SOUND:
    MUTANTS[code](Seams())
serving_short.main()
