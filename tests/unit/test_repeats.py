"""A request of the holder of a lease that comes twice acts once."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrion.core import lifecycle
from orchestrion.core.commands import Command
from orchestrion.core.decide import decide
from orchestrion.core.lease import Completion, Failure, Lease, digest_of_claim
from orchestrion.core.limits import RELEASES_MAX
from orchestrion.core.outcomes import Changed, Rejection
from orchestrion.core.plans import SELF_HOSTED
from orchestrion.core.task import Status, Task
from orchestrion.core.view import View
from tests.factories import NOW, OTHER_TOKEN, TOKEN, a_task, a_view, expect, later
from tests.unit import asks
from tests.unit.repeated import FREE, HELD, REPEATED
from tests.unit.strategies import TEXTS
from tests.unit.world import World

LIVE = a_task(Status.CLAIMED, scheduled_at=None)
FAILURE = Failure(reason="no ink", retry_after_seconds=90)

failures = st.builds(
    Failure, reason=st.none() | TEXTS, retry_after_seconds=st.none() | st.integers(1, 86_400)
)


def test_a_repeated_complete_is_the_task_as_it_is() -> None:
    done = Completion(result='{"pages":3}', output_id="out_1")
    completed = expect(Task, lifecycle.complete(LIVE, NOW, TOKEN, done))

    assert lifecycle.complete(completed, later(9_000), TOKEN, done) is completed


def test_a_repeated_result_may_have_its_keys_in_another_order() -> None:
    done = Completion(result='{"a":1,"b":{"c":1.50,"d":[2,3]}}')
    again = Completion(result='{"b":{"d":[2,3],"c":1.50},"a":1}')
    completed = expect(Task, lifecycle.complete(LIVE, NOW, TOKEN, done))

    assert lifecycle.complete(completed, NOW, TOKEN, again) is completed


@pytest.mark.parametrize(
    "other",
    [
        Completion(),
        Completion(result='{"ok":1}', output_id="out_1"),
        Completion(result='{"ok":true}', output_id="out_2"),
        Completion(result='{"ok":true}'),
        Completion(output_id="out_1"),
        Completion(result='{"ok":[true]}', output_id="out_1"),
        Completion(result='{"ok":"true"}', output_id="out_1"),
    ],
)
def test_another_result_is_no_repeat(other: Completion) -> None:
    done = Completion(result='{"ok":true}', output_id="out_1")
    completed = expect(Task, lifecycle.complete(LIVE, NOW, TOKEN, done))

    refused = expect(Rejection, lifecycle.complete(completed, NOW, TOKEN, other))

    assert refused.code.value == "invalid_transition"


def test_digits_that_were_sent_otherwise_are_another_result() -> None:
    completed = expect(Task, lifecycle.complete(LIVE, NOW, TOKEN, Completion(result='{"a":1.5}')))

    again = lifecycle.complete(completed, NOW, TOKEN, Completion(result='{"a":1.50}'))

    assert isinstance(again, Rejection)


def test_without_a_token_nothing_is_a_repeat() -> None:
    completed = expect(Task, lifecycle.complete(LIVE, NOW, None, Completion()))
    failed = expect(Task, lifecycle.fail(LIVE, NOW, None, Failure()))

    assert isinstance(lifecycle.complete(completed, NOW, None, Completion()), Rejection)
    assert isinstance(lifecycle.fail(failed, NOW, None, Failure()), Rejection)
    assert isinstance(lifecycle.fail(failed, NOW, TOKEN, Failure()), Rejection)


@given(failure=failures, other=failures)
def test_a_fail_and_a_release_are_repeated_by_the_same_words_alone(
    failure: Failure, other: Failure
) -> None:
    for verb, wrong in ((lifecycle.fail, lifecycle.release), (lifecycle.release, lifecycle.fail)):
        given_back = expect(Task, verb(LIVE, NOW, TOKEN, failure))

        assert verb(given_back, later(9_000), TOKEN, failure) is given_back
        assert isinstance(wrong(given_back, NOW, TOKEN, failure), Rejection)
        if other != failure:
            assert isinstance(verb(given_back, NOW, TOKEN, other), Rejection)


@given(failure=failures)
def test_a_fail_is_repeated_in_whatever_state_the_task_came_to(failure: Failure) -> None:
    dead = expect(
        Task, lifecycle.fail(a_task(Status.CLAIMED, attempt_count=3), NOW, TOKEN, failure)
    )
    requeued = expect(Task, lifecycle.requeue(dead, NOW))
    cancelled = expect(Task, lifecycle.cancel(requeued, NOW))

    for task in (dead, requeued, cancelled):
        assert lifecycle.fail(task, NOW, TOKEN, failure) is task


@given(failure=failures)
def test_what_was_remembered_ends_with_the_next_claim(failure: Failure) -> None:
    failed = expect(Task, lifecycle.fail(LIVE, NOW, TOKEN, failure))
    held = lifecycle.claim(failed, later(90_000), Lease(worker_id=None, token=OTHER_TOKEN))

    refused = expect(Rejection, lifecycle.fail(expect(Task, held), later(90_000), TOKEN, failure))

    assert (refused.code.value, refused.reason) == ("lease_expired", "superseded")


def test_words_that_an_older_server_left_behind_do_not_swallow_the_next_failure() -> None:
    """A server that knows no repeats claims without forgetting what ended the lease before."""
    failed = expect(Task, lifecycle.fail(LIVE, NOW, TOKEN, Failure(reason="no ink")))
    held = a_task(
        Status.CLAIMED, lease_token=OTHER_TOKEN, given_back_by=failed.given_back_by, attempt_count=2
    )

    again = expect(Task, lifecycle.fail(held, NOW, OTHER_TOKEN, Failure(reason="no ink")))

    assert again.status is Status.PENDING


def test_a_repeat_saves_nothing_and_answers_alike() -> None:
    world = World([LIVE])
    first = world.settle(asks.fail(LIVE.id, TOKEN, failure=FAILURE))
    saved = world.task(LIVE.id)
    world.wait(10)

    again = world.settle(asks.fail(LIVE.id, TOKEN, failure=FAILURE))

    assert world.task(LIVE.id) is saved
    assert expect(Changed, again).task == expect(Changed, first).task


@pytest.mark.parametrize("ask", REPEATED.values(), ids=REPEATED)
def test_a_store_is_told_that_somebody_hears_of_an_earlier_transaction(
    ask: Callable[[int], Command],
) -> None:
    """Where a standby must have what is told, the repeat waits for it like the first."""
    world = World([HELD, FREE])
    first, again, once_more = (decided(world, ask(number)) for number in (1, 2, 3))

    assert (first.repeated, again.repeated, once_more.repeated) == (False, True, True)
    assert not again.changed_tasks
    assert not again.new_tasks


@pytest.mark.parametrize(
    "command",
    [
        asks.create(9, idempotency_key="k", request_digest=b"other"),
        asks.claim_next(lease=asks.a_keyed_lease(9, digest=digest_of_claim(types=["mail"]))),
        asks.claim_next(types=("mail",)),
        asks.complete(HELD.id, OTHER_TOKEN),
        asks.heartbeat(HELD.id, TOKEN),
    ],
    ids=["conflict", "claim conflict", "nothing", "superseded", "heartbeat"],
)
def test_what_is_refused_found_nothing_or_is_new_is_no_repeat(command: Command) -> None:
    world = World([HELD, FREE])
    world.submit(
        asks.create(8, idempotency_key="k", request_digest=b"same"),
        asks.claim_task(FREE.id, lease=asks.a_keyed_lease(1)),
    )

    assert not decided(world, command).repeated


def decided(world: World, command: Command) -> View:
    """Have a command done; gives what the store was left with."""
    view = a_view(
        command,
        tasks=world.tasks.values(),
        accounts=world.accounts.values(),
        remembered=world.remembered.values(),
    )
    decide(command, SELF_HOSTED, view)
    world.submit(command)
    return view


# --- release


def test_a_release_undoes_the_claim_and_keeps_the_place_in_line() -> None:
    task = a_task()
    claimed = expect(Task, lifecycle.claim(task, NOW, Lease(worker_id="w", token=TOKEN)))

    released = expect(Task, lifecycle.release(claimed, NOW, TOKEN, Failure(reason="stopping")))

    assert released.status is Status.PENDING
    assert released.attempt_count == task.attempt_count
    assert released.claim_order == task.claim_order
    assert (released.claimed_by, released.claimed_at) == (None, None)
    assert (released.lease_expires_at, released.last_heartbeat_at) == (None, None)
    assert (released.last_failed_at, released.last_failure_reason) == (None, None)
    assert released.release_count == 1


def test_a_release_may_put_the_task_off() -> None:
    released = expect(Task, lifecycle.release(LIVE, NOW, TOKEN, FAILURE))

    assert released.scheduled_at == later(90)


def test_what_is_released_too_often_fails() -> None:
    task = a_task(max_attempts=1)
    for number in range(RELEASES_MAX):
        lease = Lease(worker_id=None, token=asks.a_token(number))
        claimed = expect(Task, lifecycle.claim(task, NOW, lease))
        task = expect(Task, lifecycle.release(claimed, NOW, lease.token, Failure()))
        assert task.status is Status.PENDING
    claimed = expect(Task, lifecycle.claim(task, NOW, Lease(worker_id=None, token=TOKEN)))

    dead = expect(Task, lifecycle.release(claimed, NOW, TOKEN, Failure(reason="not me")))

    assert (dead.status, dead.attempt_count) == (Status.DEAD_LETTER, 1)
    assert (dead.last_failed_at, dead.last_failure_reason) == (NOW, "not me")
    assert lifecycle.release(dead, NOW, TOKEN, Failure(reason="not me")) is dead


def test_a_requeue_forgets_the_releases_too() -> None:
    dead = a_task(Status.DEAD_LETTER, release_count=RELEASES_MAX)

    assert expect(Task, lifecycle.requeue(dead, NOW)).release_count == 0


# --- cancels of what a worker holds


def test_a_forced_cancel_leaves_the_lease_and_marks_the_task_once() -> None:
    asked = expect(Task, lifecycle.request_cancel(LIVE, NOW))

    assert (asked.status, asked.cancel_requested_at) == (Status.CLAIMED, NOW)
    assert (asked.lease_expires_at, asked.updated_at) == (LIVE.lease_expires_at, LIVE.updated_at)
    assert lifecycle.request_cancel(asked, later(5)) is asked


def test_what_is_given_back_after_a_forced_cancel_waits_for_nobody() -> None:
    asked = expect(Task, lifecycle.request_cancel(LIVE, NOW))

    failed = expect(Task, lifecycle.fail(asked, NOW, TOKEN, FAILURE))
    released = expect(Task, lifecycle.release(asked, NOW, TOKEN, FAILURE))
    expired = lifecycle.released(asked, later(9_000))

    assert {one.status for one in (failed, released, expired)} == {Status.CANCELLED}
    assert (failed.scheduled_at, released.scheduled_at) == (None, None)
    assert (failed.last_failed_at, failed.last_failure_reason) == (NOW, "no ink")
    assert lifecycle.fail(failed, NOW, TOKEN, FAILURE) is failed
    assert lifecycle.release(released, NOW, TOKEN, FAILURE) is released


def test_work_completed_after_a_forced_cancel_stands() -> None:
    asked = expect(Task, lifecycle.request_cancel(LIVE, NOW))

    completed = expect(Task, lifecycle.complete(asked, NOW, TOKEN, Completion()))

    assert (completed.status, completed.cancel_requested_at) == (Status.COMPLETED, NOW)


def test_a_requeue_wants_the_task_again() -> None:
    """A server that knows no such requests dead-letters what was asked back."""
    dead = a_task(Status.DEAD_LETTER, cancel_requested_at=NOW)

    assert expect(Task, lifecycle.requeue(dead, NOW)).cancel_requested_at is None


def test_a_heartbeat_keeps_a_lease_that_was_asked_back() -> None:
    asked = expect(Task, lifecycle.request_cancel(LIVE, NOW))

    renewed = expect(Task, lifecycle.heartbeat(asked, NOW, TOKEN))

    assert renewed.lease_expires_at == later(300)
    assert renewed.cancel_requested_at == NOW
