"""What a batch made claimable, as those who wait are told."""

from orchestrion.core.claimable import ALREADY, Claimable, made_claimable
from orchestrion.core.instants import SECOND, Instant
from orchestrion.core.task import Status
from orchestrion.core.view import View
from tests.factories import ACCOUNT_ID, NOW, OTHER_ACCOUNT_ID, a_task, a_task_id


def later(seconds: int) -> Instant:
    return Instant(NOW + seconds * SECOND)


def test_what_is_due_is_counted_by_account_and_type() -> None:
    view = View(NOW)
    view.insert(a_task(id=a_task_id(1)))
    view.insert(a_task(id=a_task_id(2)))
    view.insert(a_task(id=a_task_id(3), scheduled_at=NOW))
    view.insert(a_task(id=a_task_id(4), type="mail"))
    view.insert(a_task(id=a_task_id(5), account_id=OTHER_ACCOUNT_ID))

    assert set(made_claimable(view)) == {
        Claimable(ACCOUNT_ID, "report", 3, ALREADY),
        Claimable(ACCOUNT_ID, "mail", 1, ALREADY),
        Claimable(OTHER_ACCOUNT_ID, "report", 1, ALREADY),
    }


def test_of_what_is_scheduled_the_first_is_named() -> None:
    view = View(NOW)
    for number, seconds in enumerate((30, 10, 20)):
        view.insert(a_task(id=a_task_id(number), scheduled_at=later(seconds)))

    assert made_claimable(view) == [Claimable(ACCOUNT_ID, "report", 1, later(10))]


def test_only_what_the_batch_leaves_pending_counts() -> None:
    view = View(NOW)
    kept, taken = a_task(Status.CLAIMED), a_task(id=a_task_id(1))
    view.load_tasks([kept, taken])
    view.put(a_task(Status.COMPLETED, id=kept.id))
    view.put(a_task(Status.CLAIMED, id=taken.id))
    view.insert(a_task(id=a_task_id(2)))
    view.put(a_task(Status.CLAIMED, id=a_task_id(2)))

    assert made_claimable(view) == []


def test_what_came_back_counts_like_what_is_new() -> None:
    view = View(NOW)
    task = a_task(Status.CLAIMED)
    view.load_tasks([task])
    view.put(a_task(id=task.id))

    (one,) = made_claimable(view)

    assert (one.key, one.count) == ((ACCOUNT_ID, "report"), 1)
