"""The application on SQLite against the model: whatever is done, both tell the same."""

from typing import Final

from tests.databases import SQLITE, Databases
from tests.statemachine.running import examples_or, run
from tests.statemachine.world import opened

EXAMPLES: Final = 300


def test_the_application_does_what_the_model_says(databases: Databases) -> None:
    with opened(databases, SQLITE) as world:
        run(world, examples_or(EXAMPLES))
