from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from orchestrion.core import lifecycle
from orchestrion.core.ids import LeaseToken
from orchestrion.core.instants import Instant
from orchestrion.core.lease import Completion, Failure, Lease
from orchestrion.core.lifecycle import Verb
from orchestrion.core.limits import RELEASES_MAX
from orchestrion.core.outcomes import Rejection
from orchestrion.core.task import Status, Task
from tests.factories import NOW, OTHER_TOKEN, TOKEN, a_task, ago, expect, later
from tests.unit.strategies import AROUND_NOW, tasks, tokens
from tests.unit.verbs import apply


def test_a_claim_starts_an_attempt_and_changes_nothing_else() -> None:
    task = a_task(scheduled_at=ago(30), last_failed_at=ago(90), last_failure_reason="no ink")

    claimed = lifecycle.claim(task, NOW, Lease(worker_id="worker-8", token=OTHER_TOKEN))

    assert claimed == replace(
        task,
        status=Status.CLAIMED,
        attempt_count=1,
        claimed_by="worker-8",
        claimed_at=NOW,
        lease_expires_at=later(300),
        last_heartbeat_at=None,
        lease_token=OTHER_TOKEN,
        updated_at=NOW,
    )


def test_a_claim_need_not_name_its_worker() -> None:
    claimed = expect(Task, lifecycle.claim(a_task(), NOW, Lease(worker_id=None, token=TOKEN)))

    assert claimed.claimed_by is None
    assert claimed.claimed_at == NOW


def test_a_claim_of_an_overdue_task_is_a_new_attempt_under_a_new_token() -> None:
    task = a_task(Status.CLAIMED, lease_expires_at=ago(1), last_heartbeat_at=ago(200))

    claimed = lifecycle.claim(task, NOW, Lease(worker_id="worker-8", token=OTHER_TOKEN))

    assert claimed == replace(
        task,
        attempt_count=2,
        claimed_by="worker-8",
        claimed_at=NOW,
        lease_expires_at=later(300),
        last_heartbeat_at=None,
        lease_token=OTHER_TOKEN,
        updated_at=NOW,
    )


def test_a_heartbeat_sets_the_end_to_now_plus_the_lease_and_leaves_updated_at() -> None:
    task = a_task(Status.CLAIMED, lease_expires_at=later(10))

    renewed = lifecycle.heartbeat(task, NOW, TOKEN)

    assert renewed == replace(task, lease_expires_at=later(300), last_heartbeat_at=NOW)


def test_heartbeats_do_not_bank_time() -> None:
    task = a_task(Status.CLAIMED)

    for _ in range(3):
        task = expect(Task, lifecycle.heartbeat(task, NOW, TOKEN))

    assert task.lease_expires_at == later(300)


def test_a_heartbeat_never_shortens_a_lease() -> None:
    task = a_task(Status.CLAIMED, lease_expires_at=later(301))

    renewed = lifecycle.heartbeat(task, NOW, TOKEN)

    assert renewed == replace(task, last_heartbeat_at=NOW)


def test_complete_keeps_who_did_it_and_ends_the_lease() -> None:
    task = a_task(Status.CLAIMED, last_heartbeat_at=ago(5), scheduled_at=ago(90))
    done = Completion(result='{"pages":3}', output_id="out_1")

    completed = lifecycle.complete(task, NOW, TOKEN, done)

    assert completed == replace(
        task,
        status=Status.COMPLETED,
        result='{"pages":3}',
        output_id="out_1",
        completed_at=NOW,
        lease_expires_at=None,
        updated_at=NOW,
    )


def test_complete_needs_neither_result_nor_output() -> None:
    completed = expect(Task, lifecycle.complete(a_task(Status.CLAIMED), NOW, TOKEN, Completion()))

    assert (completed.result, completed.output_id) == (None, None)


def test_fail_makes_the_task_claimable_at_once() -> None:
    task = a_task(Status.CLAIMED, scheduled_at=ago(90), last_heartbeat_at=ago(5))

    failed = lifecycle.fail(task, NOW, TOKEN, Failure(reason="no ink"))

    assert failed == replace(
        task,
        status=Status.PENDING,
        scheduled_at=None,
        claimed_by=None,
        claimed_at=None,
        lease_expires_at=None,
        last_heartbeat_at=None,
        last_failed_at=NOW,
        last_failure_reason="no ink",
        given_back_by=Failure(reason="no ink").digest(Verb.FAIL, TOKEN),
        updated_at=NOW,
    )
    assert expect(Task, failed).due(NOW)


def test_fail_with_a_delay_schedules_the_next_attempt() -> None:
    task = a_task(Status.CLAIMED)

    failed = expect(Task, lifecycle.fail(task, NOW, TOKEN, Failure(retry_after_seconds=90)))

    assert failed.scheduled_at == later(90)
    assert not failed.due(later(89.999))
    assert failed.due(later(90))


def test_fail_without_a_reason_forgets_the_reason_of_the_failure_before() -> None:
    task = a_task(Status.CLAIMED, last_failed_at=ago(600), last_failure_reason="no ink")

    failed = expect(Task, lifecycle.fail(task, NOW, TOKEN, Failure()))

    assert (failed.last_failed_at, failed.last_failure_reason) == (NOW, None)


def test_fail_of_the_last_attempt_is_a_dead_letter_and_ignores_the_delay() -> None:
    task = a_task(Status.CLAIMED, attempt_count=3, scheduled_at=ago(90), last_heartbeat_at=ago(5))

    failure = Failure(reason="no ink", retry_after_seconds=90)

    dead = lifecycle.fail(task, NOW, TOKEN, failure)

    assert dead == replace(
        task,
        status=Status.DEAD_LETTER,
        claimed_by=None,
        claimed_at=None,
        lease_expires_at=None,
        last_heartbeat_at=None,
        last_failed_at=NOW,
        last_failure_reason="no ink",
        given_back_by=failure.digest(Verb.FAIL, TOKEN),
        updated_at=NOW,
    )


def test_expiry_keeps_what_the_worker_last_reported_and_the_schedule() -> None:
    task = a_task(
        Status.CLAIMED,
        lease_expires_at=ago(1),
        scheduled_at=ago(90),
        last_heartbeat_at=ago(5),
        last_failed_at=ago(600),
        last_failure_reason="no ink",
    )
    given_back = replace(
        task,
        claimed_by=None,
        claimed_at=None,
        lease_expires_at=None,
        last_heartbeat_at=None,
        updated_at=NOW,
    )

    again = lifecycle.expire(task, NOW)
    dead = lifecycle.expire(replace(task, attempt_count=3), NOW)

    assert again == replace(given_back, status=Status.PENDING)
    assert dead == replace(given_back, status=Status.DEAD_LETTER, attempt_count=3)


def test_cancel_changes_the_state_alone() -> None:
    task = a_task(scheduled_at=later(90), attempt_count=1, last_failure_reason="no ink")

    assert lifecycle.cancel(task, NOW) == replace(task, status=Status.CANCELLED, updated_at=NOW)


def test_cancel_of_an_overdue_task_takes_it_from_its_worker() -> None:
    cancelled = expect(Task, lifecycle.cancel(a_task(Status.CLAIMED, lease_expires_at=ago(1)), NOW))

    assert cancelled.status is Status.CANCELLED
    assert (cancelled.claimed_by, cancelled.claimed_at) == (None, None)
    assert (cancelled.lease_expires_at, cancelled.last_heartbeat_at) == (None, None)


def test_requeue_gives_fresh_attempts_at_once_and_keeps_the_last_failure() -> None:
    task = a_task(Status.DEAD_LETTER, scheduled_at=later(90))

    requeued = lifecycle.requeue(task, NOW)

    assert requeued == replace(
        task, status=Status.PENDING, attempt_count=0, scheduled_at=None, updated_at=NOW
    )


def test_requeue_of_an_exhausted_overdue_task_needs_no_sweep_first() -> None:
    task = a_task(Status.CLAIMED, lease_expires_at=ago(1), attempt_count=3)

    requeued = expect(Task, lifecycle.requeue(task, NOW))

    assert (requeued.status, requeued.attempt_count) == (Status.PENDING, 0)
    assert (requeued.claimed_by, requeued.lease_expires_at) == (None, None)


def test_a_token_of_before_a_requeue_stays_dead_under_the_next_lease() -> None:
    requeued = expect(Task, lifecycle.requeue(a_task(Status.DEAD_LETTER), NOW))
    claimed = expect(Task, lifecycle.claim(requeued, NOW, Lease(worker_id=None, token=OTHER_TOKEN)))

    refused = expect(Rejection, lifecycle.complete(claimed, NOW, TOKEN, Completion()))

    assert refused.reason == "superseded"


def test_a_complete_after_the_same_holder_failed_is_an_invalid_transition() -> None:
    failed = expect(Task, lifecycle.fail(a_task(Status.CLAIMED), NOW, TOKEN, Failure()))

    refused = expect(Rejection, lifecycle.complete(failed, NOW, TOKEN, Completion()))

    assert refused.code.value == "invalid_transition"


@given(task=tasks(), verb=st.sampled_from(Verb), token=tokens())
def test_updated_at_moves_with_the_state_and_never_otherwise(
    task: Task, verb: Verb, token: LeaseToken | None
) -> None:
    after = apply(verb, task, token)

    if isinstance(after, Task):
        stays = after.status is task.status and after.lease_token == task.lease_token
        assert after.updated_at == (task.updated_at if stays else NOW)


@given(task=tasks(), verb=st.sampled_from(Verb), token=tokens())
def test_no_verb_touches_what_the_producer_wrote(
    task: Task, verb: Verb, token: LeaseToken | None
) -> None:
    after = apply(verb, task, token)

    if isinstance(after, Task):
        assert after.id == task.id
        assert (after.type, after.payload, after.priority) == (
            task.type,
            task.payload,
            task.priority,
        )
        assert (after.max_attempts, after.lease_seconds) == (task.max_attempts, task.lease_seconds)
        assert after.created_at == task.created_at


@given(task=tasks(), verb=st.sampled_from(Verb), token=tokens())
def test_lease_fields_stand_exactly_where_somebody_holds_or_held_the_task(
    task: Task, verb: Verb, token: LeaseToken | None
) -> None:
    after = apply(verb, task, token)

    if isinstance(after, Task):
        claimed = after.status is Status.CLAIMED
        assert (after.lease_expires_at is not None) == claimed
        if not claimed and after.status is not Status.COMPLETED:
            assert (after.claimed_by, after.claimed_at) == (None, None)
            assert after.last_heartbeat_at is None


@given(task=tasks(), verb=st.sampled_from(Verb), token=tokens())
def test_attempts_go_up_by_claims_alone_and_never_pass_the_maximum(
    task: Task, verb: Verb, token: LeaseToken | None
) -> None:
    after = apply(verb, task, token)

    if isinstance(after, Task) and task.attempts_left:
        expected = {
            Verb.CLAIM: task.attempt_count + 1,
            Verb.RELEASE: task.attempt_count - (task.release_count < RELEASES_MAX),
            Verb.REQUEUE: 0,
        }
        assert after.attempt_count == expected.get(verb, task.attempt_count)
        assert after.attempt_count <= after.max_attempts


@given(task=tasks(), now=AROUND_NOW, token=tokens())
def test_a_heartbeat_never_shortens_and_never_banks(
    task: Task, now: Instant, token: LeaseToken | None
) -> None:
    renewed = lifecycle.heartbeat(task, now, token)

    if isinstance(renewed, Task):
        before = expect(int, task.lease_expires_at)
        assert renewed.lease_expires_at == max(before, now + task.lease_seconds * 1_000)


@given(task=tasks(), now=AROUND_NOW)
def test_a_claimed_task_is_either_live_or_over(task: Task, now: Instant) -> None:
    alive, over = task.lease_alive(now), task.lease_over(now)

    assert (alive or over) == (task.status is Status.CLAIMED)
    assert not (alive and over)
    assert lifecycle.released(task, now).lease_over(now) is False
