"""The application on PostgreSQL against the model: whatever is done, both tell the same."""

from typing import Final

from tests.databases import POSTGRES, Databases
from tests.statemachine.running import examples_or, run
from tests.statemachine.world import opened

EXAMPLES: Final = 100


def test_the_application_does_what_the_model_says(databases: Databases) -> None:
    with opened(databases, POSTGRES) as world:
        run(world, examples_or(EXAMPLES))
