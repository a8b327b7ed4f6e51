"""Walks through all worlds, the nearest first, until a rule breaks or none is left."""

import gc
from collections import deque
from collections.abc import Collection, Iterator
from typing import Final

import msgspec

from tests.model.rules import Broken, Rule
from tests.model.steps import Step, Steps
from tests.model.world import Bounds, World, key_of

_NOBODY: Final = -1


class Counterexample(msgspec.Struct, frozen=True):
    """The shortest way to a broken rule."""

    broken: Broken
    steps: list[Step]


class Explored(msgspec.Struct, frozen=True, kw_only=True):
    """What a walk came to; `complete` unless a bound on transitions ended it.

    `requests`: how many were served on the way, of which `decided` batches were different ones.
    """

    worlds: int
    transitions: int
    requests: int
    decided: int
    complete: bool
    counterexample: Counterexample | None = None


def explore(
    bounds: Bounds, rules: Collection[Rule] = frozenset(Rule), *, late: bool = False
) -> Explored:
    """Visit every world within the bounds once; `late` as `Steps` has it."""
    # A million worlds without a cycle among them: the collector would look at each for nothing.
    gc.disable()
    try:
        return _explore(bounds, Steps(bounds, rules, late=late))
    finally:
        gc.enable()


def _explore(bounds: Bounds, steps: Steps) -> Explored:
    start = World(backs=bounds.backs)
    seen = {key_of(start)}
    # Each world with the step that led to it and where that step began.
    found: list[tuple[int, Step]] = [(_NOBODY, Step("", -1, start))]
    transitions = requests = at = 0
    while at < len(found) and transitions < bounds.transitions:
        for step in steps.of(found[at][1].world):
            transitions += 1
            requests += len(step.served)
            if step.broken:
                found.append((at, step))
                return Explored(
                    worlds=len(seen),
                    transitions=transitions,
                    requests=requests,
                    decided=steps.decided,
                    complete=False,
                    counterexample=Counterexample(step.broken, _way_to(found)),
                )
            key = key_of(step.world)
            if key not in seen:
                seen.add(key)
                found.append((at, step))
        at += 1
    return Explored(
        worlds=len(seen),
        transitions=transitions,
        requests=requests,
        decided=steps.decided,
        complete=at == len(found),
    )


def taken_for_one(bounds: Bounds, every: int) -> Iterator[tuple[World, World]]:
    """Give pairs of different worlds with one key, of which a walk visits the first only.

    Of all such pairs, each so many-th one.
    """
    start = World(backs=bounds.backs)
    steps, kept, met, walked = Steps(bounds, frozenset(Rule), late=False), {}, 0, 0
    waiting = deque([start])
    kept[key_of(start)] = start
    while waiting and walked < bounds.transitions:
        for step in steps.of(waiting.popleft()):
            walked += 1
            first = kept.setdefault(key_of(step.world), step.world)
            if first is step.world:
                waiting.append(first)
            elif first != step.world:
                met += 1
                if met % every == 0:
                    yield first, step.world


def _way_to(found: list[tuple[int, Step]]) -> list[Step]:
    way, at = [], len(found) - 1
    while found[at][0] != _NOBODY:
        at, step = found[at]
        way.append(step)
    return way[::-1]
