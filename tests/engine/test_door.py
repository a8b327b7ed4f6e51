"""Who is turned away while more requests are being answered than the process can keep up with."""

import pytest

from orchestrion.core.operation import Errand
from orchestrion.core.outcomes import Rejection
from orchestrion.engine.door import Door, DoorLimits
from orchestrion.engine.overload import OVERLOAD_WAIT_SECONDS_MAX, OVERLOAD_WAIT_SECONDS_MIN
from tests.clocks import SettableClock
from tests.observers import KeepingObserver

LIMITS = DoorLimits(
    list_max=2, create_max=4, claim_max=6, get_max=8, patience_seconds=1, calm_seconds=0.5
)
CROWD = 200
BOUNDS = [(Errand.LIST, 2), (Errand.CREATE, 4), (Errand.CLAIM, 6), (Errand.GET, 8)]


class Hall:
    """A door with people behind it."""

    def __init__(self) -> None:
        self.clock = SettableClock()
        self.observer = KeepingObserver()
        self.resting = 0
        self.door = Door(LIMITS, self.clock, self.observer, lambda: self.resting)

    def come(self, people: int) -> None:
        """Let some in."""
        for _ in range(people):
            self.door.enter()

    def crowded(self, people: int) -> None:
        """Let so many be inside after a crowd that lasted longer than patience does."""
        self.come(people + CROWD)
        self.clock.advance(LIMITS.patience_seconds)
        self.go(CROWD)

    def go(self, people: int) -> None:
        """Let some out."""
        for _ in range(people):
            self.door.leave()

    def refused(self, errand: Errand) -> Rejection | None:
        """Come with an errand, and leave again."""
        return self.door.refused(errand)


@pytest.fixture
def hall() -> Hall:
    """An empty hall."""
    return Hall()


@pytest.mark.parametrize(("errand", "bound"), BOUNDS, ids=[one.value for one, _ in BOUNDS])
def test_an_errand_is_refused_while_as_many_are_inside_as_its_bound(
    hall: Hall, errand: Errand, bound: int
) -> None:
    hall.crowded(bound - 1)
    assert hall.refused(errand) is None

    hall.come(1)

    assert hall.refused(errand) is not None
    assert hall.observer.refusals == [f"door_{errand}"]


def test_lists_go_first_then_creates_then_claims_then_looks(hall: Hall) -> None:
    hall.crowded(1)
    shed = []

    for _ in range(8):
        shed.append("".join("x" if hall.refused(errand) else "." for errand in Errand))
        hall.come(1)

    assert shed == ["....", "x...", "x...", "xx..", "xx..", "xxx.", "xxx.", "xxxx"]


def test_a_crowd_that_is_soon_gone_is_let_in(hall: Hall) -> None:
    hall.come(CROWD)
    hall.clock.advance(0.9)

    assert hall.refused(Errand.LIST) is None


def test_gaps_do_not_end_a_crowd(hall: Hall) -> None:
    hall.crowded(CROWD)
    hall.go(CROWD)
    hall.clock.advance(0.4)
    hall.come(CROWD)

    assert hall.refused(Errand.LIST) is not None


def test_patience_begins_anew_after_a_calm(hall: Hall) -> None:
    hall.crowded(CROWD)
    hall.go(CROWD)
    hall.clock.advance(0.6)
    hall.come(CROWD)

    assert hall.refused(Errand.LIST) is None


def test_whoever_only_waits_is_no_crowd(hall: Hall) -> None:
    hall.resting = CROWD
    hall.crowded(0)
    hall.come(CROWD)

    assert not any(hall.refused(errand) for errand in Errand)


def test_everybody_is_let_in_once_the_others_have_left(hall: Hall) -> None:
    hall.crowded(CROWD)
    assert all(hall.refused(errand) for errand in Errand)

    hall.go(CROWD)

    assert not any(hall.refused(errand) for errand in Errand)


def test_the_waits_advised_differ_so_that_nobody_comes_back_together(hall: Hall) -> None:
    hall.crowded(CROWD)

    refusals = [hall.refused(Errand.CREATE) for _ in range(200)]

    waits = {one.wait_seconds for one in refusals if one}
    assert waits == set(range(OVERLOAD_WAIT_SECONDS_MIN, OVERLOAD_WAIT_SECONDS_MAX + 1))
