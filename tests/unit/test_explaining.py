"""What keeps a task from being claimed, and until when."""

import pytest

from orchestrion.core.errors import ErrorCode
from orchestrion.core.explaining import (
    Block,
    Blocked,
    Place,
    account_blocks,
    blocks,
    place,
)
from orchestrion.core.limits import COUNTED_MAX
from orchestrion.core.outcomes import Rejection
from orchestrion.core.quota import Leases
from orchestrion.core.task import Status, Task
from tests.factories import NOW, a_task, ago, later

LIVE = a_task(Status.CLAIMED)
OVER = a_task(Status.CLAIMED, lease_expires_at=ago(1))
LEASES = Leases(live=2, first_end=later(9))


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (a_task(), []),
        (a_task(scheduled_at=NOW), []),
        (
            a_task(scheduled_at=later(9)),
            [Blocked(by=Block.SCHEDULED, since=a_task().updated_at, clears_at=later(9))],
        ),
        (LIVE, [Blocked(by=Block.LEASED, since=LIVE.claimed_at, clears_at=LIVE.lease_expires_at)]),
        # After the last attempt it does not come back by itself.
        (
            a_task(Status.CLAIMED, attempt_count=3),
            [Blocked(by=Block.LEASED, since=LIVE.claimed_at)],
        ),
        (
            a_task(Status.CLAIMED, cancel_requested_at=ago(2)),
            [
                Blocked(by=Block.LEASED, since=LIVE.claimed_at),
                Blocked(by=Block.CANCEL_REQUESTED, since=ago(2)),
            ],
        ),
        (OVER, []),
        (
            a_task(Status.CLAIMED, lease_expires_at=ago(1), attempt_count=3),
            [Blocked(by=Block.LAST_LEASE_ENDED, since=ago(1))],
        ),
        (
            a_task(Status.CLAIMED, lease_expires_at=ago(1), cancel_requested_at=ago(2)),
            [Blocked(by=Block.CANCEL_REQUESTED, since=ago(2))],
        ),
        (a_task(Status.COMPLETED), [Blocked(by=Block.COMPLETED, since=ago(10))]),
        (a_task(Status.DEAD_LETTER), [Blocked(by=Block.DEAD_LETTER, since=ago(10))]),
        (a_task(Status.CANCELLED), [Blocked(by=Block.CANCELLED, since=ago(10))]),
    ],
    ids=[
        *("claimable", "due", "scheduled", "leased", "last lease", "asked back", "lease over"),
        *("last lease over", "asked back, over", "completed", "dead", "cancelled"),
    ],
)
def test_a_task_says_what_of_itself_is_in_the_way(task: Task, expected: list[Blocked]) -> None:
    assert blocks(task, NOW) == expected


@pytest.mark.parametrize(
    ("refused", "expected"),
    [
        (None, []),
        (
            Rejection(code=ErrorCode.MAX_WORKERS_REACHED, now=NOW),
            [Blocked(by=Block.MAX_WORKERS_REACHED, clears_at=later(9))],
        ),
        (
            Rejection(code=ErrorCode.RATE_LIMITED, now=NOW, wait_seconds=60),
            [Blocked(by=Block.RATE_LIMITED, clears_at=later(60))],
        ),
        (Rejection(code=ErrorCode.PLAN_EXPIRED, now=NOW), [Blocked(by=Block.PLAN_EXPIRED)]),
    ],
    ids=["nothing", "workers", "window", "plan"],
)
def test_what_would_refuse_a_claim_of_the_account_is_in_the_way(
    refused: Rejection | None, expected: list[Blocked]
) -> None:
    assert account_blocks(refused, LEASES) == expected


def test_a_place_in_line_is_counted_up_to_a_bound() -> None:
    assert place(3) == Place(ahead=3, capped=False)
    assert place(COUNTED_MAX) == Place(ahead=COUNTED_MAX, capped=False)
    assert place(COUNTED_MAX + 1) == Place(ahead=COUNTED_MAX, capped=True)
