"""What a batch changes in numbers, verb by verb."""

from collections.abc import Mapping

import msgspec
import pytest
from msgspec.structs import replace

from orchestrion.core import lifecycle
from orchestrion.core.commands import PurgeCounts, PurgeMinutes
from orchestrion.core.ids import TaskId
from orchestrion.core.instants import HOUR, Instant
from orchestrion.core.lease import Completion, Failure
from orchestrion.core.limits import RELEASES_MAX
from orchestrion.core.outcomes import Swept
from orchestrion.core.stats import Counts, Happened
from orchestrion.core.tally import MINUTE, Change, Tally, minute_of
from orchestrion.core.task import Status, Task
from tests.factories import ACCOUNT_ID, NOW, OTHER_ACCOUNT_ID, TOKEN, a_task, a_view, expect
from tests.unit import asks
from tests.unit.world import World

OVER = Instant(NOW - 1)
DONE = Completion(result="{}")
FAILURE = Failure(reason="no paper")


def numbers(change: Change) -> dict[str, int]:
    """Name what changes; what happened has a name of its own."""
    standing = zip(Counts.__struct_fields__, change.standing, strict=True)
    lately = zip(Happened.__struct_fields__, change.happened, strict=True)
    found = {**dict(standing), **{f"+{name}": number for name, number in lately}}
    return {name: number for name, number in found.items() if number}


def moved(before: Task, after: object) -> dict[str, int]:
    """Say what a step changes, for the type and for all alike."""
    tally = Tally()
    tally.moved(before, expect(Task, after), NOW)
    changes = tally.changes()
    assert [one.type for one in changes] == (["", before.type] if changes else [])
    assert len({(tuple(one.standing), tuple(one.happened)) for one in changes}) <= 1
    return numbers(changes[0]) if changes else {}


PENDING = a_task()
HELD = a_task(Status.CLAIMED)
ASKED = a_task(Status.CLAIMED, cancel_requested_at=OVER)
LAST = a_task(Status.CLAIMED, attempt_count=3)
HANDED_ON = a_task(Status.CLAIMED, release_count=RELEASES_MAX)
OVERDUE = a_task(Status.CLAIMED, lease_expires_at=OVER)
SPENT = replace(OVERDUE, attempt_count=3)
ONCE = replace(OVERDUE, attempt_count=1, max_attempts=1)
LEASE = asks.a_lease(7)

STEPS: Mapping[str, tuple[Task, object, dict[str, int]]] = {
    "a claim": (
        PENDING,
        lifecycle.claim(PENDING, NOW, LEASE),
        {"pending": -1, "claimed": 1, "+claimed": 1},
    ),
    "a heartbeat": (HELD, lifecycle.heartbeat(HELD, NOW, TOKEN), {}),
    "a completion": (
        HELD,
        lifecycle.complete(HELD, NOW, TOKEN, DONE),
        {"claimed": -1, "completed": 1, "+completed": 1},
    ),
    "a failure": (
        HELD,
        lifecycle.fail(HELD, NOW, TOKEN, FAILURE),
        {"claimed": -1, "pending": 1, "+failed": 1},
    ),
    "the last failure": (
        LAST,
        lifecycle.fail(LAST, NOW, TOKEN, FAILURE),
        {"claimed": -1, "dead_letter": 1, "+failed": 1, "+dead_lettered": 1},
    ),
    "a failure of what was asked back": (
        ASKED,
        lifecycle.fail(ASKED, NOW, TOKEN, FAILURE),
        {"claimed": -1, "cancelled": 1, "+failed": 1, "+cancelled": 1},
    ),
    "a release": (
        HELD,
        lifecycle.release(HELD, NOW, TOKEN, FAILURE),
        {"claimed": -1, "pending": 1},
    ),
    "a release of what was asked back": (
        ASKED,
        lifecycle.release(ASKED, NOW, TOKEN, FAILURE),
        {"claimed": -1, "cancelled": 1, "+cancelled": 1},
    ),
    "one release too many": (
        HANDED_ON,
        lifecycle.release(HANDED_ON, NOW, TOKEN, FAILURE),
        {"claimed": -1, "pending": 1, "+failed": 1},
    ),
    "a claim undone": (HELD, lifecycle.undo(HELD, NOW, TOKEN), {"claimed": -1, "pending": 1}),
    "a cancel that is asked for": (HELD, lifecycle.request_cancel(HELD, NOW), {}),
    "a cancel": (
        PENDING,
        lifecycle.cancel(PENDING, NOW),
        {"pending": -1, "cancelled": 1, "+cancelled": 1},
    ),
    "a lease that ended": (
        OVERDUE,
        lifecycle.expire(OVERDUE, NOW),
        {"claimed": -1, "pending": 1, "+failed": 1},
    ),
    "the last lease that ended": (
        SPENT,
        lifecycle.expire(SPENT, NOW),
        {"claimed": -1, "dead_letter": 1, "+failed": 1, "+dead_lettered": 1},
    ),
    "a claim of what another let end": (
        OVERDUE,
        lifecycle.claim(OVERDUE, NOW, LEASE),
        {"+claimed": 1, "+failed": 1},
    ),
    "a cancel of what a worker let end": (
        OVERDUE,
        lifecycle.cancel(OVERDUE, NOW),
        {"claimed": -1, "cancelled": 1, "+failed": 1, "+cancelled": 1},
    ),
    "a requeue of what a worker let end": (
        ONCE,
        lifecycle.requeue(ONCE, NOW),
        {"claimed": -1, "pending": 1, "+failed": 1},
    ),
    "a requeue": (
        a_task(Status.DEAD_LETTER),
        lifecycle.requeue(a_task(Status.DEAD_LETTER), NOW),
        {"dead_letter": -1, "pending": 1},
    ),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_step_is_counted(step: str) -> None:
    before, after, expected = STEPS[step]

    assert moved(before, after) == expected


def test_the_numbers_stand_in_the_order_of_their_names() -> None:
    assert [status.value for status in Status] == list(Counts.__struct_fields__)


def test_what_is_created_and_what_is_deleted_is_counted() -> None:
    tally = Tally()
    tally.created(PENDING)
    tally.created(replace(PENDING, id=TaskId("tsk_2")))
    tally.deleted(a_task(Status.COMPLETED))

    (_, change) = tally.changes()

    assert numbers(change) == {"pending": 2, "completed": -1, "+created": 2}


def test_accounts_and_types_are_counted_apart_and_in_order() -> None:
    tally = Tally()
    for account_id, type_ in ((OTHER_ACCOUNT_ID, "b"), (ACCOUNT_ID, "b"), (ACCOUNT_ID, "a")):
        tally.created(replace(PENDING, account_id=account_id, type=type_))

    changes = [(one.account_id, one.type, sum(one.standing)) for one in tally.changes()]

    found = [(ACCOUNT_ID, "", 2), (ACCOUNT_ID, "a", 1), (ACCOUNT_ID, "b", 1)]
    other = [(OTHER_ACCOUNT_ID, "", 1), (OTHER_ACCOUNT_ID, "b", 1)]
    assert changes == sorted(found + other)


def test_each_step_of_a_batch_counts() -> None:
    """A life in one batch leaves a completed task, and all that happened."""
    view = a_view(asks.create(1))
    task = expect(Task, lifecycle.claim(PENDING, NOW, LEASE))
    view.insert(PENDING)
    view.put(task)
    view.put(expect(Task, lifecycle.complete(task, NOW, LEASE.token, DONE)))

    (change, _) = view.tally.changes()

    assert numbers(change) == {"completed": 1, "+created": 1, "+claimed": 1, "+completed": 1}


def test_a_task_the_view_does_not_know_is_not_counted() -> None:
    view = a_view(asks.create(1))
    view.put(HELD)

    assert view.tally.changes() == []


@pytest.mark.parametrize("offset", [0, 1, MINUTE - 1])
def test_a_minute_is_named_by_its_beginning(offset: int) -> None:
    assert minute_of(Instant(7 * MINUTE + offset)) == 7 * MINUTE


def test_only_minutes_of_more_than_an_hour_ago_are_forgotten() -> None:
    minutes = (("", Instant(NOW - HOUR)), ("report", Instant(NOW - HOUR + 1)))

    (outcome,) = World().submit(PurgeMinutes(account_id=ACCOUNT_ID, minutes=minutes))

    assert expect(Swept, outcome).count == 1


def test_types_that_are_said_to_be_idle_are_handed_to_the_store() -> None:
    (outcome,) = World().submit(PurgeCounts(account_id=ACCOUNT_ID, types=("a", "b")))

    assert expect(Swept, outcome).count == 2


def test_a_change_is_plain_data() -> None:
    change = Change(ACCOUNT_ID, "report", [1], [2])

    assert msgspec.structs.astuple(change) == (ACCOUNT_ID, "report", [1], [2])
