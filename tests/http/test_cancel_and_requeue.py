"""POST /v1/tasks/{id}/cancel and POST /v1/tasks/{id}/requeue."""

import pytest

from tests.http.callers import Caller, advice, ok, recommended, refused


async def test_a_pending_task_can_be_cancelled(caller: Caller) -> None:
    task = await caller.task()
    caller.service.clock.advance(3)

    cancelled = ok(await caller.do("cancel", task["id"]))

    assert cancelled["status"] == "cancelled"
    assert cancelled["updatedAt"] == "2027-01-15T08:00:03.000Z"
    assert advice(cancelled) == ["create_task", "claim_task"]
    assert ok(await caller.claim_next())["task"] is None


async def test_a_scheduled_task_can_be_cancelled(caller: Caller) -> None:
    task = await caller.task(scheduledAt="2027-01-15T09:00:00Z")

    assert ok(await caller.do("cancel", task["id"]))["status"] == "cancelled"


async def test_a_live_lease_protects_a_task_from_cancel(caller: Caller) -> None:
    claim = await caller.held(leaseDurationSeconds=60)
    caller.service.clock.advance(20.5)

    answer = refused(await caller.do("cancel", claim["task"]["id"]), 409, "task_currently_claimed")

    assert answer["agent_contract"]["retryable"] is True
    assert advice(answer) == ["check_task_status", "retry_after_wait"]
    wait = answer["agent_contract"]["next_actions"][1]
    assert wait["endpoint"] == f"/v1/tasks/{claim['task']['id']}/cancel"
    assert wait["retry_after_seconds"] == 40
    assert ok(await caller.show(claim["task"]["id"]))["status"] == "claimed"


@pytest.mark.parametrize("verb", ["cancel", "requeue"])
async def test_cancelled_is_final(verb: str, caller: Caller) -> None:
    task = await caller.task()
    ok(await caller.do("cancel", task["id"]))

    answer = refused(await caller.do(verb, task["id"]), 409, "invalid_transition")

    assert advice(answer) == ["check_task_status", "create_task", "claim_task"]


async def test_a_dead_task_cannot_be_cancelled(caller: Caller) -> None:
    task = await caller.dead()

    answer = refused(await caller.do("cancel", task["id"]), 409, "invalid_transition")

    assert advice(answer) == ["check_task_status", "requeue_task", "create_task"]


async def test_requeue_gives_a_dead_task_all_its_attempts(caller: Caller) -> None:
    claim = await caller.held(maxAttempts=1)
    ok(await caller.do("fail", claim["task"]["id"], reason="no paper"))
    caller.service.clock.advance(5)

    task = ok(await caller.do("requeue", claim["task"]["id"]))

    assert task["status"] == "pending"
    assert (task["attemptCount"], task["scheduledAt"]) == (0, None)
    assert task["lastFailureReason"] == "no paper"
    assert task["lastFailedAt"] == "2027-01-15T08:00:00.000Z"
    assert task["updatedAt"] == "2027-01-15T08:00:05.000Z"
    assert recommended(task)["endpoint"] == f"/v1/tasks/{task['id']}/claim"
    assert ok(await caller.claim_next())["task"]["attemptCount"] == 1


@pytest.mark.parametrize("state", ["pending", "claimed"])
async def test_only_a_dead_task_can_be_requeued(state: str, caller: Caller) -> None:
    task_id = (await caller.task())["id"]
    if state == "claimed":
        ok(await caller.do("claim", task_id))

    refused(await caller.do("requeue", task_id), 409, "invalid_transition")

    assert ok(await caller.show(task_id))["status"] == state
