"""Leases: how long they live, what ends them, and who sees it."""

import asyncio

import pytest

from tests.http.callers import Caller, advice, ok, recommended, refused

VERBS = ("complete", "fail", "heartbeat")


async def test_a_heartbeat_renews_the_lease_from_now(caller: Caller) -> None:
    claim = await caller.held(leaseDurationSeconds=60)
    task_id = claim["task"]["id"]

    for ends in ("08:01:20", "08:01:40", "08:02:00", "08:02:20"):
        caller.service.clock.advance(20)
        task = ok(await caller.do("heartbeat", task_id, lease_token=claim["lease_token"]))
        assert task["leaseExpiresAt"] == f"2027-01-15T{ends}.000Z"
        assert task["agent_contract"]["lease_expires_in_seconds"] == 60

    assert task["lastHeartbeatAt"] == "2027-01-15T08:01:20.000Z"
    assert task["updatedAt"] == "2027-01-15T08:00:00.000Z"
    assert advice(task) == ["complete_task", "fail_task", "heartbeat", "check_task_status"]
    assert "task_claimable" not in task["agent_contract"]


async def test_heartbeats_bank_no_time(caller: Caller) -> None:
    claim = await caller.held(leaseDurationSeconds=60)

    for _ in range(10):
        task = ok(await caller.do("heartbeat", claim["task"]["id"]))

    assert task["leaseExpiresAt"] == claim["task"]["leaseExpiresAt"]


async def test_the_seconds_left_are_rounded_down(caller: Caller) -> None:
    claim = await caller.held(leaseDurationSeconds=60)
    caller.service.clock.advance(59.001)

    contract = ok(await caller.show(claim["task"]["id"]))["agent_contract"]

    assert (contract["lease_valid"], contract["lease_expires_in_seconds"]) == (True, 0)


@pytest.mark.parametrize("verb", VERBS)
async def test_a_lease_lives_until_its_last_millisecond(verb: str, caller: Caller) -> None:
    claim = await caller.held(leaseDurationSeconds=60)
    caller.service.clock.advance(59.999)

    ok(await caller.do(verb, claim["task"]["id"], lease_token=claim["lease_token"]))


@pytest.mark.parametrize("verb", VERBS)
async def test_after_the_lease_the_worker_is_refused_and_the_task_untouched(
    verb: str, caller: Caller
) -> None:
    claim = await caller.held(leaseDurationSeconds=60)
    task_id, token = claim["task"]["id"], claim["lease_token"]
    caller.service.clock.advance(60)
    before = ok(await caller.show(task_id))

    answer = refused(await caller.do(verb, task_id, lease_token=token), 409, "lease_expired")

    assert answer["details"] == {"reason": "expired"}
    assert answer["agent_contract"]["retryable"] is False
    assert advice(answer) == ["check_task_status", "claim_task"]
    assert ok(await caller.show(task_id)) == before
    assert before["status"] == "claimed"


async def test_an_overdue_task_is_shown_as_it_is(caller: Caller) -> None:
    claim = await caller.held(leaseDurationSeconds=60)
    caller.service.clock.advance(61)

    task = ok(await caller.show(claim["task"]["id"]))

    assert task["status"] == "claimed"
    contract = task["agent_contract"]
    assert (contract["lease_valid"], contract["lease_expires_in_seconds"]) == (False, 0)
    assert "recommended_heartbeat_interval_seconds" not in contract
    assert advice(task) == ["claim_task", "check_task_status"]
    assert recommended(task)["endpoint"] == f"/v1/tasks/{task['id']}/claim"


async def test_an_overdue_task_without_attempts_is_shown_as_lost(caller: Caller) -> None:
    claim = await caller.held(leaseDurationSeconds=60, maxAttempts=1)
    caller.service.clock.advance(61)

    task = ok(await caller.show(claim["task"]["id"]))

    assert task["status"] == "claimed"
    assert advice(task) == ["requeue_task", "check_task_status", "(claim_task)"]


async def test_a_claim_expires_overdue_leases_of_its_type_by_itself(caller: Caller) -> None:
    claim = await caller.held(leaseDurationSeconds=60)
    caller.service.clock.advance(60)

    again = ok(await caller.claim_next())

    assert again["task"]["id"] == claim["task"]["id"]
    assert again["task"]["attemptCount"] == 2
    assert again["lease_token"] != claim["lease_token"]


async def test_a_claim_by_id_expires_an_overdue_lease_by_itself(caller: Caller) -> None:
    claim = await caller.held(leaseDurationSeconds=60)
    caller.service.clock.advance(60)

    again = ok(await caller.do("claim", claim["task"]["id"]))

    assert again["task"]["attemptCount"] == 2


async def test_an_overdue_task_without_attempts_is_handed_to_nobody(caller: Caller) -> None:
    claim = await caller.held(leaseDurationSeconds=60, maxAttempts=1)
    caller.service.clock.advance(60)

    answer = await caller.do("claim", claim["task"]["id"])
    refused(answer, 409, "invalid_transition")
    assert ok(await caller.claim_next())["task"] is None

    assert ok(await caller.show(claim["task"]["id"]))["status"] == "dead_letter"


async def test_a_refused_claim_by_id_persists_nothing(caller: Caller) -> None:
    claim = await caller.held(leaseDurationSeconds=60, maxAttempts=1)
    caller.service.clock.advance(60)

    refused(await caller.do("claim", claim["task"]["id"]), 409, "invalid_transition")

    assert ok(await caller.show(claim["task"]["id"]))["status"] == "claimed"


async def test_cancel_expires_an_overdue_lease_by_itself(caller: Caller) -> None:
    claim = await caller.held(leaseDurationSeconds=60)
    caller.service.clock.advance(60)

    task = ok(await caller.do("cancel", claim["task"]["id"]))

    assert task["status"] == "cancelled"
    assert task["claimedBy"] is task["leaseExpiresAt"] is None


async def test_requeue_expires_an_overdue_lease_without_attempts_by_itself(
    caller: Caller,
) -> None:
    claim = await caller.held(leaseDurationSeconds=60, maxAttempts=1)
    caller.service.clock.advance(60)

    task = ok(await caller.do("requeue", claim["task"]["id"]))

    assert (task["status"], task["attemptCount"]) == ("pending", 0)


async def test_requeue_refuses_an_overdue_task_with_attempts_left(caller: Caller) -> None:
    claim = await caller.held(leaseDurationSeconds=60)
    caller.service.clock.advance(60)

    answer = refused(await caller.do("requeue", claim["task"]["id"]), 409, "invalid_transition")

    assert "claim_task" in advice(answer)
    assert ok(await caller.show(claim["task"]["id"]))["status"] == "claimed"


async def test_the_sweeper_gives_overdue_tasks_back(caller: Caller) -> None:
    overdue = await caller.held(leaseDurationSeconds=60)
    lost = await caller.held(leaseDurationSeconds=60, maxAttempts=1)
    live = await caller.held(leaseDurationSeconds=61)
    caller.service.clock.advance(60)

    await caller.service.run_job("expire_leases")

    states = [
        ok(await caller.show(claim["task"]["id"]))["status"] for claim in (overdue, lost, live)
    ]
    assert states == ["pending", "dead_letter", "claimed"]


async def test_what_a_sweep_gives_back_is_as_the_worker_left_it(caller: Caller) -> None:
    claim = await caller.held(maxAttempts=3, leaseDurationSeconds=60)
    task_id = claim["task"]["id"]
    ok(await caller.do("fail", task_id, reason="no paper"))
    ok(await caller.claim_next(worker_id="worker-8"))
    caller.service.clock.advance(90)

    await caller.service.run_job("expire_leases")

    task = ok(await caller.show(task_id))
    assert (task["status"], task["attemptCount"]) == ("pending", 2)
    assert task["lastFailureReason"] == "no paper"
    assert task["lastFailedAt"] == "2027-01-15T08:00:00.000Z"
    assert task["updatedAt"] == "2027-01-15T08:01:30.000Z"
    held = ("claimedBy", "claimedAt", "leaseExpiresAt", "lastHeartbeatAt")
    assert [task[name] for name in held] == [None] * 4


async def test_the_sweeper_takes_more_than_a_batch(caller: Caller) -> None:
    crowd = caller.unchecked()
    await asyncio.gather(*[crowd.task(leaseDurationSeconds=30) for _ in range(520)])
    claims = await asyncio.gather(*[crowd.claim_next() for _ in range(520)])
    assert all(ok(claim)["task"] for claim in claims)
    caller.service.clock.advance(30)

    await caller.service.run_job("expire_leases")

    assert ok(await caller.read("/v1/tasks?status=claimed"))["items"] == []


@pytest.mark.parametrize("verb", VERBS)
async def test_a_worker_without_a_token_is_refused_once_the_task_was_given_back(
    verb: str, caller: Caller
) -> None:
    claim = await caller.held(leaseDurationSeconds=60)
    caller.service.clock.advance(60)
    await caller.service.run_job("expire_leases")

    answer = refused(await caller.do(verb, claim["task"]["id"]), 409, "invalid_transition")

    assert advice(answer) == ["check_task_status", "claim_task"]


async def test_attempts_are_counted_until_none_is_left(caller: Caller) -> None:
    task = await caller.task(maxAttempts=3, leaseDurationSeconds=30)
    counts = []
    for _ in range(3):
        counts.append(ok(await caller.claim_next())["task"]["attemptCount"])
        caller.service.clock.advance(30)

    assert ok(await caller.claim_next())["task"] is None
    assert counts == [1, 2, 3]
    dead = ok(await caller.show(task["id"]))
    assert (dead["status"], dead["attemptCount"]) == ("dead_letter", 3)


async def test_a_task_put_back_by_expiry_keeps_its_place(caller: Caller) -> None:
    first = await caller.held(leaseDurationSeconds=30)
    caller.service.clock.advance(10)
    await caller.task()
    caller.service.clock.advance(20)

    assert ok(await caller.claim_next())["task"]["id"] == first["task"]["id"]


async def test_a_new_lease_has_no_heartbeat_yet(caller: Caller) -> None:
    claim = await caller.held(leaseDurationSeconds=60)
    ok(await caller.do("heartbeat", claim["task"]["id"]))
    caller.service.clock.advance(60)

    again = ok(await caller.claim_next())

    assert again["task"]["id"] == claim["task"]["id"]
    assert again["task"]["lastHeartbeatAt"] is None


async def test_claim_and_expiry_keep_the_schedule(caller: Caller) -> None:
    schedule = "2027-01-15T08:00:10.000Z"
    task = await caller.task(scheduledAt=schedule, leaseDurationSeconds=30)
    caller.service.clock.advance(10)
    claim = ok(await caller.claim_next())
    caller.service.clock.advance(30)

    await caller.service.run_job("expire_leases")

    assert claim["task"]["scheduledAt"] == schedule
    assert ok(await caller.show(task["id"]))["scheduledAt"] == schedule


async def test_a_task_put_back_by_expiry_goes_behind_those_due_before_it(caller: Caller) -> None:
    later = await caller.task(scheduledAt="2027-01-15T08:01:40Z", leaseDurationSeconds=30)
    sooner = await caller.task()
    caller.service.clock.advance(100)
    ok(await caller.do("claim", later["id"]))
    caller.service.clock.advance(30)

    claimed = [ok(await caller.claim_next())["task"]["id"] for _ in range(2)]

    assert claimed == [sooner["id"], later["id"]]
