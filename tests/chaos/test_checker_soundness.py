"""Over random histories of many clients the checker neither cries wolf nor sleeps."""

import time
from typing import Final

import pytest

from tests.chaos.checker import check
from tests.chaos.checker.simulated import OPERATIONS, Simulation

SEEDS: Final = range(12)
LARGE_RUN: Final = 3_000
# The bound is 5 s for 20,000 operations; machines that run tests are shared.
SECONDS_MAX: Final = 10
# What a service may do wrong, and the rules of which one must tell.
WRONG: Final = {
    "loses creates": {"S1"},
    "double key": {"S3"},
    "double claim": {"S4"},
    "no fencing": {"S5"},
    "completes twice": {"S6"},
    "late heartbeat": {"S11", "S14", "S7"},
    "no lease check": {"S8", "S5"},
    "attempts": {"S9"},
    "never dead": {"S9"},
    "same token": {"S9"},
    "early": {"S10", "S8"},
    "banks": {"S11"},
    "no priority": {"S12"},
    "false empty": {"S13"},
    "skips": {"S16"},
    "no account": {"S17"},
}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_correct_service_with_lost_answers_breaks_no_rule(seed: int) -> None:
    verdict = check(Simulation(seed).run(OPERATIONS))

    assert verdict.clean, verdict.text()
    assert verdict.counts["claim info"] > 0


@pytest.mark.parametrize("wrong", WRONG)
def test_a_service_that_does_something_wrong_is_caught(wrong: str) -> None:
    verdict = check(Simulation(0, wrong).run(OPERATIONS))

    assert verdict.rules & WRONG[wrong], verdict.text()


def test_a_large_history_is_judged_in_seconds() -> None:
    history = Simulation(0).run(LARGE_RUN)

    began = time.process_time()
    verdict = check(history)

    assert verdict.clean, verdict.text()
    assert time.process_time() - began < SECONDS_MAX * LARGE_RUN / 20_000
