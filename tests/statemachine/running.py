"""How many examples run and how: the same every time, and more where a variable says so."""

import os
from typing import Final

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.statemachine.machine import Machine
from tests.statemachine.world import World

VARIABLE: Final = "ORCHESTRION_TEST_EXAMPLES"
STEPS: Final = 50


def examples_or(default: int) -> int:
    """Give how many examples to run."""
    return int(os.environ.get(VARIABLE, default))


def run(world: World, examples: int) -> None:
    """Run the machine; a failure prints the steps that led to it."""
    found = settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        phases=(Phase.generate,),
    )
    here = type("Here", (Machine,), {"world": world})
    run_state_machine_as_test(here, settings=found)
    assert world.examples >= examples, "hypothesis gave up early"
