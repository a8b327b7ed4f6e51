"""A worker that did not try gives its task back: the claim is undone."""

import pytest

from orchestrion.core.limits import RELEASES_MAX
from tests.http.callers import Caller, ok, recommended, refused


async def test_a_released_task_is_as_before_its_claim(caller: Caller) -> None:
    task = await caller.task(maxAttempts=1)
    claim = ok(await caller.do("claim", task["id"]))
    caller.service.clock.advance(10)

    released = ok(await caller.do("release", task["id"], lease_token=claim["lease_token"]))

    assert recommended(released)["action"] == "claim_task"
    changed = {name for name, value in task.items() if released[name] != value}
    assert changed <= {"updatedAt", "agent_contract"}


async def test_a_released_task_keeps_its_place_in_line(caller: Caller) -> None:
    first = await caller.held()
    await caller.task()

    task_id = first["task"]["id"]
    ok(await caller.do("release", task_id, lease_token=first["lease_token"], reason="stopping"))

    assert ok(await caller.claim_next())["task"]["id"] == task_id


async def test_a_release_may_put_the_task_off(caller: Caller) -> None:
    claim = await caller.held()
    task_id, token = claim["task"]["id"], claim["lease_token"]

    released = ok(await caller.do("release", task_id, lease_token=token, retry_after_seconds=90))

    assert released["scheduledAt"] is not None
    assert recommended(released)["retry_after_seconds"] == 90
    assert ok(await caller.claim_next())["task"] is None
    caller.service.clock.advance(90)
    assert ok(await caller.claim_next())["task"]["attemptCount"] == 1


async def test_a_release_frees_the_worker_at_once(customer: Caller) -> None:
    claims = [await customer.held(), await customer.held()]
    await customer.task()
    refused(await customer.claim_next(), 429, "max_workers_reached")

    one = claims[0]
    ok(await customer.do("release", one["task"]["id"], lease_token=one["lease_token"]))

    assert ok(await customer.claim_next())["task"] is not None


async def test_a_release_needs_a_token(caller: Caller) -> None:
    claim = await caller.held()

    for fields in ({}, {"reason": "x"}, {"lease_token": ""}, {"lease_token": None}):
        refused(await caller.do("release", claim["task"]["id"], **fields), 400, "invalid_request")


async def test_a_release_after_the_lease_changes_nothing(caller: Caller) -> None:
    claim = await caller.held(leaseDurationSeconds=60)
    task_id, token = claim["task"]["id"], claim["lease_token"]
    caller.service.clock.advance(60)
    before = ok(await caller.show(task_id))

    answer = refused(await caller.do("release", task_id, lease_token=token), 409, "lease_expired")

    assert answer["details"] == {"reason": "expired"}
    assert ok(await caller.show(task_id)) == before


@pytest.mark.parametrize(("attempts", "state"), [(1, "dead_letter"), (2, "pending")])
async def test_a_task_is_not_handed_to_and_fro_for_ever(
    attempts: int, state: str, caller: Caller
) -> None:
    task_id = (await caller.task(maxAttempts=attempts))["id"]
    for _ in range(RELEASES_MAX):
        claim = ok(await caller.do("claim", task_id))
        assert claim["task"]["attemptCount"] == 1
        ok(await caller.do("release", task_id, lease_token=claim["lease_token"]))
    claim = ok(await caller.do("claim", task_id))

    last = ok(await caller.do("release", task_id, lease_token=claim["lease_token"], reason="no"))

    assert (last["status"], last["attemptCount"]) == (state, 1)
    assert last["lastFailureReason"] == "no"


async def test_the_reason_of_a_release_is_no_failure(caller: Caller) -> None:
    claim = await caller.held()

    released = ok(
        await caller.do(
            "release", claim["task"]["id"], lease_token=claim["lease_token"], reason="stopping"
        )
    )

    assert (released["lastFailedAt"], released["lastFailureReason"]) == (None, None)
