"""POST /v1/tasks/claim and POST /v1/tasks/{id}/claim."""

import re

import pytest

from tests.http.callers import Caller, advice, ok, recommended, refused, stranger


async def test_a_claim_hands_out_a_task_under_a_lease(caller: Caller) -> None:
    task = await caller.task(leaseDurationSeconds=90)

    claim = ok(await caller.claim_next(worker_id="worker-7"))

    assert claim["task"] == {
        **{name: value for name, value in task.items() if name != "agent_contract"},
        "status": "claimed",
        "attemptCount": 1,
        "claimedBy": "worker-7",
        "claimedAt": "2027-01-15T08:00:00.000Z",
        "leaseExpiresAt": "2027-01-15T08:01:30.000Z",
    }
    assert re.fullmatch(r"lse_[0-9a-zA-Z]{26,}", claim["lease_token"])
    contract = claim["agent_contract"]
    assert contract["task_claimable"] is True
    assert contract["lease_valid"] is True
    assert contract["lease_expires_in_seconds"] == 90
    assert contract["recommended_heartbeat_interval_seconds"] == 30
    assert advice(claim) == ["complete_task", "fail_task", "heartbeat", "check_task_status"]


async def test_a_claim_that_finds_nothing_says_when_to_ask_again(caller: Caller) -> None:
    claim = ok(await caller.claim_next())

    assert claim["task"] is None
    assert "lease_token" not in claim
    assert claim["agent_contract"]["task_claimable"] is False
    assert claim["agent_contract"]["retryable"] is True
    assert advice(claim) == ["retry_after_wait"]
    assert recommended(claim)["retry_after_seconds"] == 5
    assert recommended(claim)["endpoint"] == "/v1/tasks/claim"


async def test_a_claim_looks_only_at_its_type(caller: Caller) -> None:
    await caller.task(type="other")

    assert ok(await caller.claim_next())["task"] is None
    assert ok(await caller.claim_next("other"))["task"]["type"] == "other"


async def test_a_claim_sees_no_task_of_another_account(caller: Caller) -> None:
    await caller.task()
    other = await stranger(caller.service)

    assert ok(await other.claim_next())["task"] is None


async def test_higher_priority_goes_first_then_the_oldest(caller: Caller) -> None:
    created = []
    for priority in (0, 100, 50, 100, 0):
        created.append((await caller.task(priority=priority))["id"])
        caller.service.clock.advance(1)

    claimed = [ok(await caller.claim_next())["task"]["id"] for _ in created]

    assert claimed == [created[number] for number in (1, 3, 2, 0, 4)]


async def test_tasks_of_one_millisecond_go_out_in_the_order_of_their_ids(caller: Caller) -> None:
    created = [(await caller.task())["id"] for _ in range(5)]

    claimed = [ok(await caller.claim_next())["task"]["id"] for _ in created]

    assert claimed == created == sorted(created)


async def test_a_scheduled_task_takes_its_place_by_the_time_it_is_due(caller: Caller) -> None:
    early = await caller.task(scheduledAt="2027-01-15T08:00:10Z")
    caller.service.clock.advance(20)
    late = await caller.task()

    assert ok(await caller.claim_next())["task"]["id"] == early["id"]
    assert ok(await caller.claim_next())["task"]["id"] == late["id"]


async def test_a_task_is_claimable_from_the_millisecond_of_its_schedule_on(caller: Caller) -> None:
    task = await caller.task(scheduledAt="2027-01-15T08:00:10Z", priority=100)

    caller.service.clock.advance(9.999)
    assert ok(await caller.claim_next())["task"] is None
    caller.service.clock.advance(0.001)
    claim = ok(await caller.claim_next())

    assert claim["task"]["id"] == task["id"]
    assert claim["task"]["scheduledAt"] == "2027-01-15T08:00:10.000Z"


async def test_scheduled_tasks_do_not_hide_a_claimable_one_of_lower_priority(
    caller: Caller,
) -> None:
    for _ in range(5):
        await caller.task(priority=100, scheduledAt="2027-01-15T09:00:00Z")
    due = await caller.task(priority=1)

    assert ok(await caller.claim_next())["task"]["id"] == due["id"]


async def test_a_claim_by_id_answers_like_a_claim_by_type(caller: Caller) -> None:
    first = await caller.task()
    wanted = await caller.task()

    claim = ok(await caller.do("claim", wanted["id"], worker_id="worker-7"))

    assert claim["task"]["id"] == wanted["id"]
    assert claim["task"]["claimedBy"] == "worker-7"
    assert claim["agent_contract"]["task_claimable"] is True
    assert ok(await caller.claim_next())["task"]["id"] == first["id"]


async def test_a_claim_by_id_needs_no_body(caller: Caller) -> None:
    task = await caller.task()

    claim = ok(await caller.do("claim", task["id"]))

    assert claim["task"]["claimedBy"] is None


async def test_a_claim_by_id_before_the_schedule_says_how_long_to_wait(caller: Caller) -> None:
    task = await caller.task(scheduledAt="2027-01-15T08:00:30Z")
    caller.service.clock.advance(10.5)

    answer = refused(await caller.do("claim", task["id"]), 409, "not_yet_claimable")

    assert answer["agent_contract"]["retryable"] is True
    assert advice(answer) == ["retry_after_wait", "check_task_status"]
    assert recommended(answer)["retry_after_seconds"] == 20
    caller.service.clock.advance(20)
    ok(await caller.do("claim", task["id"]))


async def test_a_held_task_cannot_be_claimed_by_id(caller: Caller) -> None:
    claim = await caller.held()

    answer = refused(await caller.do("claim", claim["task"]["id"]), 409, "invalid_transition")

    assert advice(answer) == ["check_task_status", "complete_task", "fail_task", "heartbeat"]


@pytest.mark.parametrize("state", ["completed", "cancelled", "dead_letter"])
async def test_a_finished_task_cannot_be_claimed_by_id(state: str, caller: Caller) -> None:
    if state == "cancelled":
        task_id = (await caller.task())["id"]
        ok(await caller.do("cancel", task_id))
    elif state == "completed":
        task_id = (await caller.held())["task"]["id"]
        ok(await caller.do("complete", task_id))
    else:
        task_id = (await caller.dead())["id"]

    refused(await caller.do("claim", task_id), 409, "invalid_transition")

    assert ok(await caller.show(task_id))["status"] == state


async def test_every_claim_makes_another_token(caller: Caller) -> None:
    claim = await caller.held()
    tokens = [claim["lease_token"]]
    for _ in range(2):
        ok(await caller.do("fail", claim["task"]["id"]))
        tokens.append(ok(await caller.do("claim", claim["task"]["id"]))["lease_token"])
    ok(await caller.do("fail", claim["task"]["id"]))
    ok(await caller.do("requeue", claim["task"]["id"]))
    tokens.append(ok(await caller.do("claim", claim["task"]["id"]))["lease_token"])

    assert len(set(tokens)) == 4


async def test_the_token_is_shown_to_the_claimer_alone(caller: Caller) -> None:
    claim = await caller.held()
    task_id, token = claim["task"]["id"], claim["lease_token"]

    seen = [
        await caller.show(task_id),
        await caller.read("/v1/tasks"),
        await caller.do("heartbeat", task_id, lease_token=token),
        await caller.do("claim", task_id),
        await caller.do("complete", task_id, lease_token=token),
    ]

    assert not any(token in answer.text for answer in seen)
