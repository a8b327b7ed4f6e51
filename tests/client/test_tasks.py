"""Every operation, asked of the real application by both clients."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from orchestrion.client.errors import (
    APIError,
    InvalidRequest,
    InvalidTransition,
    LeaseExpired,
    NotYetClaimable,
    TaskCurrentlyClaimed,
    TaskNotFound,
)
from orchestrion.client.sync import Orchestrion
from tests.client.application import Application, Network

TYPE = "report"


def test_a_created_task_has_what_was_asked_for(client: Orchestrion) -> None:
    task = client.tasks.create(TYPE, {"page": 1}, priority=7, max_attempts=2, lease_seconds=60)

    assert (task.type, task.payload, task.status) == (TYPE, {"page": 1}, "pending")
    assert (task.priority, task.max_attempts, task.lease_duration_seconds) == (7, 2, 60)
    assert task.contract.recommended.action == "claim_task"
    assert client.tasks.get(task.id) == task


def test_a_task_shows_the_json_it_was_read_from(client: Orchestrion) -> None:
    task = client.tasks.create(TYPE, {"n": 1})

    assert task.raw["maxAttempts"] == 3
    assert task.raw["agent_contract"]["version"] == "1"


@pytest.mark.parametrize("run_at", ["+15m", "+900s", timedelta(minutes=15)])
def test_a_task_can_be_planned_from_now(
    client: Orchestrion, run_at: str | timedelta, application: Application
) -> None:
    now = datetime.fromtimestamp(application.harness.clock.now() / 1000, UTC)
    client.exchange.present = lambda: now

    assert client.tasks.create(TYPE, {}, run_at=run_at).scheduled_at == now + timedelta(minutes=15)


def test_a_task_can_be_planned_for_an_instant(
    client: Orchestrion, application: Application
) -> None:
    now = datetime.fromtimestamp(application.harness.clock.now() / 1000, UTC)
    later = (now + timedelta(days=2)).astimezone(timezone(timedelta(hours=-7)))

    assert client.tasks.create(TYPE, {}, run_at=later).scheduled_at == later
    assert client.tasks.create(TYPE, {}, run_at=later.isoformat()).scheduled_at == later


@pytest.mark.parametrize("run_at", ["15m", "+15 m", "soon", "2026-11-22T08:00:00", "+1w", ""])
def test_a_time_that_is_none_is_refused_before_it_is_sent(
    client: Orchestrion, network: Network, run_at: str
) -> None:
    with pytest.raises(ValueError, match="run_at"):
        client.tasks.create(TYPE, {}, run_at=run_at)
    assert network.requests == []


def test_a_list_is_followed_to_its_end(client: Orchestrion) -> None:
    made = [client.tasks.create(TYPE, {"n": n}).id for n in range(7)]

    walked = [task.id for task in client.tasks.iter(type=TYPE, limit=3)]

    assert walked == list(reversed(made))


def test_a_page_is_filtered_and_leads_to_the_next(client: Orchestrion) -> None:
    for n in range(3):
        client.tasks.create(TYPE, {"n": n})
    client.tasks.create("other", {})

    first = client.tasks.list(status="pending", type=TYPE, limit=2)
    second = client.tasks.list(status="pending", type=TYPE, limit=2, cursor=first.next_cursor)

    assert [task.payload["n"] for task in (*first.items, *second.items)] == [2, 1, 0]
    assert second.next_cursor is None


def test_a_task_is_claimed_renewed_and_completed(client: Orchestrion) -> None:
    made = client.tasks.create(TYPE, {"n": 1})

    (held,) = client.tasks.claim(TYPE, worker_id="w-1").leases
    renewed = client.tasks.heartbeat(held.task.id, held.lease_token)
    done = client.tasks.complete(held.task.id, held.lease_token, {"words": 3}, output_id="out-1")

    assert (held.task.id, held.task.claimed_by, held.task.payload) == (made.id, "w-1", {"n": 1})
    assert renewed.contract.lease_valid
    assert (done.status, done.result, done.output_id) == ("completed", {"words": 3}, "out-1")


def test_several_tasks_of_several_types_are_claimed_at_once(client: Orchestrion) -> None:
    for n in range(3):
        client.tasks.create(f"type-{n}", {})

    claimed = client.tasks.claim(["type-0", "type-1", "type-2"], max_tasks=5)

    assert len({held.lease_token for held in claimed.leases}) == 3
    assert claimed.contract.recommended_heartbeat_interval_seconds == 100


def test_an_empty_claim_says_why(client: Orchestrion) -> None:
    client.tasks.create("reports", {})

    claimed = client.tasks.claim(TYPE)

    assert (claimed.leases, claimed.empty_reason) == ((), "unknown_type")
    assert claimed.similar_types == ("reports",)


def test_a_certain_task_is_claimed(client: Orchestrion) -> None:
    task = client.tasks.create(TYPE, {})

    held = client.tasks.claim_by_id(task.id, worker_id="w")

    assert (held.task.id, held.task.status) == (task.id, "claimed")


def test_a_failure_comes_back_after_its_delay(client: Orchestrion) -> None:
    held = client.tasks.claim_by_id(client.tasks.create(TYPE, {}).id)

    failed = client.tasks.fail(held.task.id, held.lease_token, "x" * 600, retry_after=59.2)

    assert (failed.status, failed.last_failure_reason) == ("pending", "x" * 500)
    with pytest.raises(NotYetClaimable) as caught:
        client.tasks.claim_by_id(held.task.id)
    assert caught.value.retry_after == 60


@pytest.mark.parametrize("reason", ["a\0b", "half \ud83d pair"])
def test_a_reason_the_wire_cannot_carry_is_told_as_far_as_it_can(
    client: Orchestrion, reason: str
) -> None:
    held = client.tasks.claim_by_id(client.tasks.create(TYPE, {}).id)

    failed = client.tasks.fail(held.task.id, held.lease_token, reason)

    assert failed.last_failure_reason is not None


def test_a_release_spends_no_attempt(client: Orchestrion) -> None:
    held = client.tasks.claim_by_id(client.tasks.create(TYPE, {}).id)

    released = client.tasks.release(held.task.id, held.lease_token, reason="stopping")

    assert (released.status, released.attempt_count) == ("pending", 0)


def test_a_dead_letter_is_requeued(client: Orchestrion) -> None:
    held = client.tasks.claim_by_id(client.tasks.create(TYPE, {}, max_attempts=1).id)
    dead = client.tasks.fail(held.task.id, held.lease_token, "broken")

    alive = client.tasks.requeue(held.task.id)

    assert (dead.status, alive.status, alive.attempt_count) == ("dead_letter", "pending", 0)


def test_what_a_worker_holds_is_cancelled_by_force_only(client: Orchestrion) -> None:
    held = client.tasks.claim_by_id(client.tasks.create(TYPE, {}).id)

    with pytest.raises(TaskCurrentlyClaimed):
        client.tasks.cancel(held.task.id)
    asked = client.tasks.cancel(held.task.id, force=True)

    assert asked.cancel_requested_at is not None
    assert client.tasks.heartbeat(held.task.id, held.lease_token).contract.cancel_requested


def test_a_cancelled_task_is_not_cancelled_again(client: Orchestrion) -> None:
    task = client.tasks.create(TYPE, {})
    assert client.tasks.cancel(task.id).status == "cancelled"

    with pytest.raises(InvalidTransition):
        client.tasks.cancel(task.id)


def test_a_late_complete_is_told_that_its_lease_is_over(
    client: Orchestrion, application: Application
) -> None:
    held = client.tasks.claim_by_id(client.tasks.create(TYPE, {}, lease_seconds=30).id)
    application.harness.clock.advance(31)

    with pytest.raises(LeaseExpired) as caught:
        client.tasks.complete(held.task.id, held.lease_token, {})

    assert caught.value.details == {"reason": "expired"}


def test_an_explanation_tells_why_a_task_waits(client: Orchestrion) -> None:
    held = client.tasks.claim_by_id(client.tasks.create(TYPE, {}).id)

    told = client.tasks.explain(held.task.id)

    assert not told.claimable
    assert [block.reason for block in told.blocked_by] == ["leased"]


def test_several_tasks_are_waited_for(client: Orchestrion) -> None:
    first, second = (client.tasks.create(TYPE, {"n": n}).id for n in range(2))
    for _ in range(2):
        (held,) = client.tasks.claim(TYPE).leases
        client.tasks.complete(held.task.id, held.lease_token, held.task.payload)

    done = client.tasks.wait_many([second, first, second])

    assert [(task.id, task.result) for task in done] == [(second, {"n": 1}), (first, {"n": 0})]
    assert client.tasks.wait(first).ended


def test_waiting_for_any_gives_those_that_have_ended(client: Orchestrion) -> None:
    first, second = (client.tasks.create(TYPE, {"n": n}).id for n in range(2))
    client.tasks.cancel(second)

    done = client.tasks.wait_many([first, second], mode="any")

    assert [task.id for task in done] == [second]


def test_a_task_nobody_has_is_not_waited_for(client: Orchestrion) -> None:
    with pytest.raises(TaskNotFound):
        client.tasks.wait("tsk_01M814NJ33M9S346Q3D25VT4F5")


def test_an_id_that_fits_no_path_is_refused_before_it_is_sent(
    client: Orchestrion, network: Network
) -> None:
    for task_id in ("", ".", ".."):
        with pytest.raises(ValueError, match="no task id"):
            client.tasks.get(task_id)
    assert network.requests == []


@pytest.mark.parametrize("task_id", ["a/../b", "x?y=1", "tsk_1#2", "é"])
def test_a_strange_id_names_no_task(client: Orchestrion, task_id: str) -> None:
    with pytest.raises(TaskNotFound):
        client.tasks.get(task_id)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_number_json_does_not_have_is_not_sent_as_null(
    client: Orchestrion, network: Network, number: float
) -> None:
    with pytest.raises(ValueError, match="NaN"):
        client.tasks.create(TYPE, {"deep": [{"n": number}], "none": None})
    assert network.requests == []


def test_a_payload_that_is_no_object_is_refused(client: Orchestrion) -> None:
    with pytest.raises(InvalidRequest, match="payload"):
        client.tasks.create(TYPE, [1])  # type: ignore[arg-type]


def test_great_numbers_keep_their_digits(client: Orchestrion) -> None:
    number = 10**40 + 1

    assert client.tasks.create(TYPE, {"n": number}).payload == {"n": number}


def test_keys_and_plans_are_read(client: Orchestrion) -> None:
    registered = client.keys.register("ops@example.com")

    assert registered.api_key.startswith("orch_live_")
    assert client.plan.show().plan.id == "free"
    assert [plan.id for plan in client.plan.list()] == ["free"]
    assert client.health().status == "ok"


def test_the_numbers_of_the_account_are_read(client: Orchestrion) -> None:
    for _ in range(2):
        client.tasks.create(TYPE, {})
    client.tasks.claim(TYPE)

    stats = client.stats()

    assert stats.contract.recommended.action != "none"
    assert {one.type for one in stats.types} <= {TYPE}


def test_a_plan_that_is_not_for_sale_is_refused(client: Orchestrion) -> None:
    with pytest.raises(APIError) as caught:
        client.plan.checkout("pro")

    assert not caught.value.retryable
