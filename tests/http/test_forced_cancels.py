"""Work that runs and is no longer wanted: its worker is asked to give it back."""

from collections.abc import Awaitable, Callable

import pytest

from tests.http.callers import Caller, Json, Response, advice, ok, recommended, refused

Way = Callable[[Caller, Json], Awaitable[Response]]


async def asked_back(caller: Caller, **fields: object) -> Json:
    """Claim a task and have it asked back; gives the claim."""
    claim = await caller.held(**fields)
    ok(await caller.do("cancel", claim["task"]["id"], force=True))
    return claim


async def beat(caller: Caller, claim: Json) -> Json:
    task_id, token = claim["task"]["id"], claim["lease_token"]
    return ok(await caller.do("heartbeat", task_id, lease_token=token))


async def test_without_force_a_held_task_is_not_cancelled(caller: Caller) -> None:
    claim = await caller.held()

    for fields in ({}, {"force": False}):
        answer = await caller.do("cancel", claim["task"]["id"], **fields)
        assert "force" in refused(answer, 409, "task_currently_claimed")["message"]

    assert "cancel_requested" not in (await beat(caller, claim))["agent_contract"]


async def test_force_marks_the_task_and_leaves_the_lease(caller: Caller) -> None:
    claim = await caller.held()
    task_id = claim["task"]["id"]
    assert "cancelRequestedAt" not in ok(await caller.show(task_id))

    answer = ok(await caller.do("cancel", task_id, force=True))

    assert answer["status"] == "claimed"
    assert answer["cancelRequestedAt"] is not None
    assert answer["leaseExpiresAt"] == claim["task"]["leaseExpiresAt"]
    assert answer["updatedAt"] == claim["task"]["updatedAt"]
    assert recommended(answer)["action"] == "check_task_status"
    assert ok(await caller.show(task_id))["cancelRequestedAt"] == answer["cancelRequestedAt"]
    listed = ok(await caller.read("/v1/tasks"))["items"]
    assert [one["cancelRequestedAt"] for one in listed] == [answer["cancelRequestedAt"]]


async def test_the_next_heartbeat_asks_the_worker_to_fail_the_task(caller: Caller) -> None:
    claim = await asked_back(caller)

    renewed = await beat(caller, claim)

    contract = renewed["agent_contract"]
    assert (contract["cancel_requested"], contract["lease_valid"]) == (True, True)
    assert advice(renewed)[:2] == ["fail_task", "complete_task"]


async def fail(caller: Caller, claim: Json) -> Response:
    return await caller.do("fail", claim["task"]["id"], lease_token=claim["lease_token"])


async def fail_for_later(caller: Caller, claim: Json) -> Response:
    words = {"lease_token": claim["lease_token"], "reason": "asked", "retry_after_seconds": 90}
    return await caller.do("fail", claim["task"]["id"], **words)


async def release(caller: Caller, claim: Json) -> Response:
    return await caller.do("release", claim["task"]["id"], lease_token=claim["lease_token"])


async def let_it_end(caller: Caller, claim: Json) -> Response:
    caller.service.clock.advance(60)
    await caller.service.run_job("expire_leases")
    return await caller.show(claim["task"]["id"])


async def claim_of_the_type(caller: Caller, claim: Json) -> Response:
    caller.service.clock.advance(60)
    assert ok(await caller.claim_next())["task"] is None
    await caller.service.run_job("expire_leases")
    return await caller.show(claim["task"]["id"])


WAYS: tuple[Way, ...] = (fail, fail_for_later, release, let_it_end, claim_of_the_type)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("attempts", [1, 3])
async def test_however_the_lease_ends_the_task_is_cancelled(
    way: Way, attempts: int, caller: Caller
) -> None:
    claim = await asked_back(caller, maxAttempts=attempts, leaseDurationSeconds=60)

    answer = ok(await way(caller, claim))

    assert answer["status"] == "cancelled"
    assert answer["scheduledAt"] is None
    assert (answer["claimedBy"], answer["leaseExpiresAt"]) == (None, None)
    assert "cancel_requested" not in answer["agent_contract"]
    assert recommended(answer)["action"] == "create_task"


async def test_work_completed_first_stands(caller: Caller) -> None:
    claim = await asked_back(caller)
    task_id, token = claim["task"]["id"], claim["lease_token"]

    answer = ok(await caller.do("complete", task_id, lease_token=token, result={"pages": 3}))

    assert (answer["status"], answer["result"]) == ("completed", {"pages": 3})
    refused(await caller.do("cancel", task_id, force=True), 409, "invalid_transition")


async def test_a_second_request_changes_nothing(caller: Caller) -> None:
    claim = await caller.held()
    task_id = claim["task"]["id"]
    first = ok(await caller.do("cancel", task_id, force=True))
    caller.service.clock.advance(5)

    again = ok(await caller.do("cancel", task_id, force=True))

    assert again["cancelRequestedAt"] == first["cancelRequestedAt"]


async def test_what_nobody_holds_is_cancelled_at_once(caller: Caller) -> None:
    pending = await caller.task()
    overdue = await caller.held(leaseDurationSeconds=60)
    caller.service.clock.advance(60)

    for task_id in (pending["id"], overdue["task"]["id"]):
        answer = ok(await caller.do("cancel", task_id, force=True))
        assert answer["status"] == "cancelled"
        assert "cancelRequestedAt" not in answer


async def test_an_overdue_task_that_was_asked_back_is_nobodys_to_claim(caller: Caller) -> None:
    claim = await asked_back(caller, leaseDurationSeconds=60)
    task_id = claim["task"]["id"]
    caller.service.clock.advance(60)

    shown = ok(await caller.show(task_id))

    assert (shown["status"], recommended(shown)["action"]) == ("claimed", "create_task")
    for verb in ("claim", "requeue", "cancel"):
        refused(await caller.do(verb, task_id), 409, "invalid_transition")


async def test_the_holder_that_claims_again_under_its_key_is_told_too(caller: Caller) -> None:
    task = await caller.task()
    path, key = f"/v1/tasks/{task['id']}/claim", {"Idempotency-Key": "k"}
    ok(await caller.send("POST", path, None, key))
    ok(await caller.do("cancel", task["id"], force=True))

    again = ok(await caller.send("POST", path, None, key))

    assert again["agent_contract"]["cancel_requested"] is True
    assert recommended(again)["action"] == "fail_task"


async def test_force_is_a_boolean(caller: Caller) -> None:
    task = await caller.task()

    for value in ("true", 1, None):
        refused(await caller.do("cancel", task["id"], force=value), 400, "invalid_request")
