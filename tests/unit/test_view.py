from msgspec.structs import replace

from orchestrion.core.asking import Asks
from orchestrion.core.task import Status
from orchestrion.core.view import View
from tests.factories import ACCOUNT_ID, NOW, OTHER_ACCOUNT_ID, a_task, a_task_id, ago, later

REPORTS = (ACCOUNT_ID, "report")


def a_loaded_view() -> View:
    view = View(NOW)
    pending = [a_task(id=a_task_id(number)) for number in (1, 2)]
    overdue = [a_task(Status.CLAIMED, id=a_task_id(3), lease_expires_at=ago(1))]
    view.load_claimable(REPORTS, pending, overdue)
    return view


def test_a_row_loaded_twice_keeps_what_was_loaded_first() -> None:
    view = View(NOW)
    task = a_task()
    view.load_tasks([task])

    view.load_tasks([replace(task, priority=9)])

    assert view.task(ACCOUNT_ID, task.id) == task


def test_a_task_is_seen_under_its_own_account_alone() -> None:
    view = View(NOW)
    view.load_tasks([a_task()])

    assert view.task(OTHER_ACCOUNT_ID, a_task().id) is None


def test_what_is_kept_of_asks_is_seen_until_it_changes() -> None:
    view = View(NOW)
    kept, changed = (Asks(account_id=ACCOUNT_ID, at={"report": at}) for at in (ago(9), NOW))

    view.load_asks([kept])

    assert view.asks(ACCOUNT_ID) is kept
    assert view.asks(OTHER_ACCOUNT_ID) is None
    view.put_asks(changed)
    assert view.asks(ACCOUNT_ID) is changed
    assert view.changed_asks == {ACCOUNT_ID: changed}


def test_the_first_claimable_task_stays_until_it_changes() -> None:
    view = a_loaded_view()

    first = view.first_claimable([REPORTS])
    again = view.first_claimable([REPORTS])

    assert first is again
    assert first is not None
    assert first.id == a_task_id(1)


def test_a_task_that_got_another_place_is_found_at_its_new_place_alone() -> None:
    view = a_loaded_view()
    first = a_task(id=a_task_id(1), scheduled_at=ago(1))

    view.put(first)

    found = [view.first_claimable([REPORTS])]
    view.put(a_task(Status.CANCELLED, id=a_task_id(2)))
    found.append(view.first_claimable([REPORTS]))
    assert [task and task.id for task in found] == [a_task_id(2), a_task_id(1)]


def test_a_task_that_was_put_off_or_deleted_is_not_claimable() -> None:
    view = a_loaded_view()

    view.put(a_task(id=a_task_id(1), scheduled_at=later(1)))
    view.delete(a_task(Status.COMPLETED, id=a_task_id(2)))

    assert view.first_claimable([REPORTS]) is None


def test_a_type_that_was_not_asked_for_has_nothing_claimable() -> None:
    view = a_loaded_view()
    view.insert(a_task(id=a_task_id(9), type="mail"))

    assert view.first_claimable([(ACCOUNT_ID, "mail")]) is None


def test_overdue_rows_are_handed_out_once_and_not_when_they_are_gone() -> None:
    view = a_loaded_view()
    emptied = a_loaded_view()
    emptied.delete(a_task(Status.COMPLETED, id=a_task_id(3)))

    assert [task.id for task in view.take_overdue(REPORTS)] == [a_task_id(3)]
    assert list(view.take_overdue(REPORTS)) == []
    assert list(emptied.take_overdue(REPORTS)) == []


def test_a_new_task_that_changes_is_still_one_new_row() -> None:
    view = View(NOW)
    task = a_task()
    cancelled = replace(task, status=Status.CANCELLED)

    view.insert(task)
    view.put(cancelled)

    assert view.new_tasks == {(ACCOUNT_ID, task.id): cancelled}
    assert view.changed_tasks == {}


def test_a_changed_task_that_is_deleted_is_only_deleted() -> None:
    view = View(NOW)
    task = a_task(Status.DEAD_LETTER)
    view.load_tasks([task])

    view.put(replace(task, priority=1))
    view.delete(task)

    assert (view.changed_tasks, view.deleted_tasks) == ({}, [(ACCOUNT_ID, task.id)])
    assert view.task(ACCOUNT_ID, task.id) is None


def test_leases_are_counted_where_somebody_asked_for_the_count() -> None:
    view = View(NOW)
    view.live_leases[ACCOUNT_ID] = 5
    held = a_task(Status.CLAIMED)
    view.load_tasks([held])

    view.put(replace(held, lease_expires_at=later(900)))
    renewed = view.live_leases[ACCOUNT_ID]
    view.put(replace(held, status=Status.COMPLETED))
    view.put(replace(held, account_id=OTHER_ACCOUNT_ID))

    assert renewed == 5
    assert view.live_leases == {ACCOUNT_ID: 4}
