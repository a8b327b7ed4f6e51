"""The two clients offer the same: names, arguments, defaults and words."""

import inspect
from collections.abc import AsyncIterator, Iterator
from typing import Any, get_args, get_origin

import pytest

from orchestrion.client import aio, aio_tasks, leases, sync, sync_tasks
from orchestrion.client.task import Task

PAIRS = [
    (sync.Orchestrion, aio.AsyncOrchestrion),
    (sync_tasks.Tasks, aio_tasks.AsyncTasks),
    (sync_tasks.Keys, aio_tasks.AsyncKeys),
    (sync_tasks.PlanDesk, aio_tasks.AsyncPlanDesk),
]
EACH = pytest.mark.parametrize(("blocking", "awaited"), PAIRS, ids=lambda kind: kind.__name__)


def methods(kind: type) -> dict[str, Any]:
    """Give what a class offers."""
    return {
        name: value
        for name, value in vars(kind).items()
        if inspect.isfunction(value) and not name.startswith("_")
    }


@EACH
def test_they_have_the_same_methods(blocking: type, awaited: type) -> None:
    assert list(methods(blocking)) == list(methods(awaited))


@EACH
def test_their_methods_take_the_same(blocking: type, awaited: type) -> None:
    for name, method in {**methods(blocking), "__init__": blocking.__init__}.items():  # type: ignore[misc]
        twin = getattr(awaited, name)
        ours = inspect.signature(method).parameters.values()
        theirs = inspect.signature(twin).parameters.values()

        assert [(p.name, p.kind, p.default) for p in ours] == [
            (p.name, p.kind, p.default) for p in theirs
        ], name
        for mine, other in zip(ours, theirs, strict=True):
            if mine.name not in ("client", "transport"):
                assert str(mine.annotation) == str(other.annotation), (name, mine.name)


@EACH
def test_their_methods_give_the_same(blocking: type, awaited: type) -> None:
    for name, method in methods(blocking).items():
        ours = inspect.signature(method).return_annotation
        theirs = inspect.signature(getattr(awaited, name)).return_annotation
        if ours is leases.ClaimBlock:
            assert theirs is leases.AsyncClaimBlock
        elif name == "iter":
            assert (get_origin(ours), get_origin(theirs)) == (Iterator, AsyncIterator)
            assert get_args(ours) == get_args(theirs) == (Task,)
        else:
            assert str(theirs) == str(ours), name


@EACH
def test_all_that_sends_is_awaited(blocking: type, awaited: type) -> None:
    own_way = {"claim", "beat"} if blocking is sync.Orchestrion else {"iter"}
    for name, method in methods(awaited).items():
        assert inspect.iscoroutinefunction(method) == (name not in own_way), name


@EACH
def test_they_are_described_alike(blocking: type, awaited: type) -> None:
    for name, method in methods(blocking).items():
        if name not in ("claim", "beat"):
            assert method.__doc__ == getattr(awaited, name).__doc__, name
