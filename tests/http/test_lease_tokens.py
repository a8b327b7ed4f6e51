"""lease_token: proof that a lease is still the caller's (fencing)."""

import pytest

from tests.http.callers import Caller, Json, ok, refused

VERBS = ("complete", "fail", "release", "heartbeat")
STRANGE = "lse_" + "0" * 34


async def taken_over(caller: Caller, **fields: object) -> tuple[Json, Json]:
    """Let a lease end and another worker take the task: the lost claim and the new one."""
    lost = await caller.held(leaseDurationSeconds=60, **fields)
    caller.service.clock.advance(60)
    return lost, ok(await caller.do("claim", lost["task"]["id"]))


@pytest.mark.parametrize("verb", VERBS)
async def test_the_token_of_the_lease_is_accepted(verb: str, caller: Caller) -> None:
    claim = await caller.held()

    ok(await caller.do(verb, claim["task"]["id"], lease_token=claim["lease_token"]))


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "release"])
async def test_without_a_token_the_account_and_the_lease_are_enough(
    verb: str, caller: Caller
) -> None:
    claim = await caller.held()

    ok(await caller.do(verb, claim["task"]["id"]))


@pytest.mark.parametrize("verb", VERBS)
async def test_the_token_of_an_earlier_lease_is_superseded(verb: str, caller: Caller) -> None:
    lost, held = await taken_over(caller)
    task_id = lost["task"]["id"]
    before = ok(await caller.show(task_id))

    answer = refused(
        await caller.do(verb, task_id, lease_token=lost["lease_token"]), 409, "lease_expired"
    )

    assert answer["details"] == {"reason": "superseded"}
    assert ok(await caller.show(task_id)) == before
    ok(await caller.do(verb, task_id, lease_token=held["lease_token"]))


@pytest.mark.parametrize("verb", VERBS)
async def test_a_token_nobody_was_given_is_superseded(verb: str, caller: Caller) -> None:
    claim = await caller.held()

    answer = await caller.do(verb, claim["task"]["id"], lease_token=STRANGE)

    assert refused(answer, 409, "lease_expired")["details"] == {"reason": "superseded"}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    "state", ["pending", "completed", "cancelled", "dead_letter", "scheduled", "overdue"]
)
async def test_a_token_of_an_earlier_lease_is_refused_alike_in_every_state(
    state: str, verb: str, caller: Caller
) -> None:
    lost, held = await taken_over(caller, maxAttempts=2 if state == "dead_letter" else 5)
    task_id, token = lost["task"]["id"], held["lease_token"]
    if state == "completed":
        ok(await caller.do("complete", task_id, lease_token=token))
    elif state == "scheduled":
        ok(await caller.do("fail", task_id, lease_token=token, retry_after_seconds=60))
    elif state == "overdue":
        caller.service.clock.advance(60)
    else:
        ok(await caller.do("fail", task_id, lease_token=token))
    if state == "cancelled":
        ok(await caller.do("cancel", task_id))

    answer = await caller.do(verb, task_id, lease_token=lost["lease_token"])

    assert refused(answer, 409, "lease_expired")["details"] == {"reason": "superseded"}


@pytest.mark.parametrize("verb", VERBS)
async def test_the_last_token_after_its_lease_was_given_back_meets_the_state(
    verb: str, caller: Caller
) -> None:
    claim = await caller.held()
    task_id, token = claim["task"]["id"], claim["lease_token"]
    ok(await caller.do("fail", task_id, lease_token=token, reason="first words"))

    # With other words a second fail is no repeat of the first.
    answer = await caller.do(verb, task_id, lease_token=token)

    refused(answer, 409, "invalid_transition")


@pytest.mark.parametrize("verb", VERBS)
async def test_a_token_opens_no_other_task(verb: str, caller: Caller) -> None:
    mine = await caller.held()
    other = await caller.held()

    answer = await caller.do(verb, other["task"]["id"], lease_token=mine["lease_token"])

    assert refused(answer, 409, "lease_expired")["details"] == {"reason": "superseded"}


async def test_a_token_does_not_survive_a_requeue(caller: Caller) -> None:
    claim = await caller.held(maxAttempts=1)
    task_id = claim["task"]["id"]
    ok(await caller.do("fail", task_id))
    ok(await caller.do("requeue", task_id))
    held = ok(await caller.do("claim", task_id))

    answer = await caller.do("complete", task_id, lease_token=claim["lease_token"])

    assert refused(answer, 409, "lease_expired")["details"] == {"reason": "superseded"}
    ok(await caller.do("complete", task_id, lease_token=held["lease_token"]))
