"""A server's interpreter: threads take turns sooner, garbage is looked for less often."""

import gc
import sys
from collections.abc import Iterator

import pytest

from orchestrion.engine.interpreter import GARBAGE_THRESHOLDS, SWITCH_SECONDS, settle


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """Give the interpreter of the tests back as it was."""
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)
    sys.setswitchinterval(interval)


class _Ring:
    def __init__(self) -> None:
        self.itself = self


def test_what_is_built_is_set_aside_and_garbage_before_it_is_not() -> None:
    rings = [_Ring() for _ in range(1_000)]
    gc.disable()
    before = len([one for one in gc.get_objects() if isinstance(one, _Ring)])
    del rings

    settle()

    gc.enable()
    assert before == 1_000
    assert gc.get_freeze_count() > 1_000
    gc.unfreeze()
    assert not [one for one in gc.get_objects() if isinstance(one, _Ring)]


def test_threads_take_turns_sooner_and_garbage_waits_for_larger_rounds() -> None:
    settle()

    assert sys.getswitchinterval() == pytest.approx(SWITCH_SECONDS)
    assert gc.get_threshold() == GARBAGE_THRESHOLDS
