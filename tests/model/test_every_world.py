"""Every world of one task and two workers keeps every rule, whatever is lost, late or repeated.

The explorer drives the real core: requests become its commands and are decided on its rows.
"""

import pytest
from msgspec.structs import replace

from tests.model.exploring import explore, taken_for_one
from tests.model.rules import Rule
from tests.model.steps import Steps
from tests.model.telling import told
from tests.model.world import Bounds, Verb, Worker, World, key_of

_FEW = frozenset({Verb.CLAIM, Verb.HEARTBEAT, Verb.COMPLETE, Verb.FAIL})
_RELEASES = frozenset({Verb.CLAIM, Verb.CLAIM_IT, Verb.FAIL, Verb.RELEASE})
_ENDS_THAT_CLAIM = frozenset(
    {Verb.CLAIM, Verb.COMPLETE, Verb.FAIL, Verb.COMPLETE_AND_CLAIM, Verb.FAIL_AND_CLAIM}
)

# Each with a floor under its transitions, in thousands: were there suddenly fewer worlds, the
# explorer would have gone blind.
WORLDS = {
    "all-but-releases": (Bounds(releases=0, strays=0, backs=0), 250),
    "releases": (Bounds(releases=1, strays=0, backs=0, verbs=_RELEASES), 80),
    "late-copies": (Bounds(releases=0, strays=1, backs=0, verbs=_FEW), 350),
    "ends-that-claim": (Bounds(releases=0, strays=0, backs=0, verbs=_ENDS_THAT_CLAIM), 60),
    "clock-set-back": (Bounds(releases=0, strays=0, backs=1, verbs=_FEW), 90),
}


@pytest.mark.parametrize(("bounds", "thousands"), WORLDS.values(), ids=WORLDS)
def test_no_world_breaks_a_rule(bounds: Bounds, thousands: int) -> None:
    explored = explore(bounds)

    assert explored.counterexample is None, told(explored)
    assert explored.complete
    assert explored.transitions >= thousands * 1_000


def test_worlds_that_are_taken_for_one_have_the_same_future() -> None:
    """What a key leaves out decides nothing: not when, not by whom, not which old token."""
    bounds = Bounds(releases=1, strays=1, backs=1, transitions=60_000)
    steps, pairs = Steps(bounds, frozenset(Rule), late=False), 0

    for one, other in taken_for_one(bounds, every=19):
        assert futures(steps, one) == futures(steps, other)
        pairs += 1

    assert pairs > 400


def futures(steps: Steps, world: World) -> set[object]:
    return {(key_of(step.world), step.broken is None) for step in steps.of(world)}


def test_workers_that_change_places_make_the_same_world() -> None:
    one = replace(World(), workers=(Worker(token=1), Worker()))
    other = replace(World(), workers=(Worker(), Worker(token=1)))

    assert key_of(one) == key_of(other)


def test_a_walk_that_is_cut_short_says_so() -> None:
    explored = explore(Bounds(transitions=1_000))

    assert not explored.complete
    assert "cut short" in told(explored)
