"""A claim that is undone because its caller never heard of it leaves no trace but the time."""

import pytest
from msgspec.structs import replace

from orchestrion.core.errors import ErrorCode
from orchestrion.core.limits import RELEASES_MAX
from orchestrion.core.outcomes import Changed, Rejection
from orchestrion.core.task import Status
from tests.factories import NOW, OTHER_TOKEN, TOKEN, a_task, expect
from tests.unit import asks
from tests.unit.world import World


def test_the_attempt_is_not_charged_nor_the_release_counted() -> None:
    task = a_task(Status.CLAIMED, attempt_count=3, max_attempts=3, release_count=RELEASES_MAX)
    world = World([task])

    undone = expect(Changed, world.settle(asks.undo(task.id, TOKEN))).task

    assert undone.status is Status.PENDING
    assert (undone.attempt_count, undone.release_count) == (2, RELEASES_MAX)
    assert (undone.claimed_by, undone.lease_expires_at) == (None, None)
    assert undone.scheduled_at == task.scheduled_at


def test_it_can_be_claimed_at_once() -> None:
    task = a_task(Status.CLAIMED)
    world = World([task])

    world.submit(asks.undo(task.id, TOKEN), asks.claim_task(task.id))

    assert world.task(task.id).status is Status.CLAIMED
    assert world.task(task.id).attempt_count == task.attempt_count


def test_a_task_whose_cancel_was_requested_meanwhile_is_cancelled() -> None:
    task = a_task(Status.CLAIMED, cancel_requested_at=NOW)

    undone = expect(Changed, World([task]).settle(asks.undo(task.id, TOKEN))).task

    assert undone.status is Status.CANCELLED


@pytest.mark.parametrize(
    "changes",
    [{"lease_token": OTHER_TOKEN}, {"lease_expires_at": NOW}],
    ids=["claimed again since", "lease over"],
)
def test_a_lease_that_is_not_its_own_any_more_is_left_alone(changes: dict[str, object]) -> None:
    task = replace(a_task(Status.CLAIMED), **changes)
    world = World([task])

    refused = expect(Rejection, world.settle(asks.undo(task.id, TOKEN)))

    assert refused.code is ErrorCode.LEASE_EXPIRED
    assert world.task(task.id) == task
