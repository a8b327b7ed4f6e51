"""claim_next on complete and fail: one request ends an attempt and begins the next."""

import asyncio

import pytest

from tests.databases import SQLITE, Database, Trouble
from tests.http.accounts import set_used
from tests.http.callers import Caller, Json, Response, advice, ok, recommended, refused

NEXT: Json = {"type": "report", "worker_id": "worker-7"}


async def finish(caller: Caller, verb: str, claim: Json, **fields: object) -> Response:
    """End the attempt of a claim and take the next."""
    body = {"lease_token": claim["lease_token"], "claim_next": NEXT, **fields}
    return await caller.send("POST", f"/v1/tasks/{claim['task']['id']}/{verb}", body)


def taken(answer: Json) -> Json:
    """Give what came next in the form of a claim."""
    return {"task": answer["next_task"], "lease_token": answer["next_lease_token"]}


async def test_the_answer_is_the_task_and_the_next_beside_it(caller: Caller) -> None:
    claim = await caller.held()
    waiting = await caller.task()

    answer = ok(await finish(caller, "complete", claim, result={"n": 1}))

    assert (answer["id"], answer["status"]) == (claim["task"]["id"], "completed")
    assert answer["result"] == {"n": 1}
    assert answer["next_task"]["id"] == waiting["id"]
    assert answer["next_task"]["claimedBy"] == "worker-7"
    assert "next_error" not in answer
    contract = answer["agent_contract"]
    assert contract["lease_valid"] is True
    assert "task_claimable" not in contract
    assert recommended(answer)["endpoint"] == f"/v1/tasks/{waiting['id']}/complete"


async def test_a_worker_lives_on_one_request_for_each_task(caller: Caller) -> None:
    ids = {(await caller.task())["id"] for _ in range(5)}
    claim = ok(await caller.claim_next())
    done = set()
    while claim["task"] is not None:
        answer = ok(await finish(caller, "complete", claim))
        done.add(answer["id"])
        claim = {"task": answer["next_task"], "lease_token": answer.get("next_lease_token")}

    assert done == ids


async def test_where_there_is_nothing_the_end_stands_and_the_worker_is_told_when_to_ask(
    caller: Caller,
) -> None:
    claim = await caller.held()

    answer = (await finish(caller, "complete", claim)).json()

    assert (answer["status"], answer["next_task"]) == ("completed", None)
    assert "next_lease_token" not in answer
    assert "next_error" not in answer
    assert "task_claimable" not in answer["agent_contract"]
    assert advice(answer) == ["retry_after_wait"]
    assert recommended(answer)["endpoint"] == "/v1/tasks/claim"


async def test_a_failed_task_may_come_next(caller: Caller) -> None:
    claim = await caller.held()

    answer = ok(await finish(caller, "fail", claim, reason="no paper"))

    assert (answer["status"], answer["next_task"]["id"]) == ("pending", claim["task"]["id"])
    assert answer["next_task"]["attemptCount"] == 2
    assert answer["next_lease_token"] != claim["lease_token"]


async def test_behind_a_refused_end_nothing_is_claimed(caller: Caller) -> None:
    claim = await caller.held()
    waiting = await caller.task()
    stale = {**claim, "lease_token": "lse_" + "0" * 34}

    body = refused(await finish(caller, "complete", stale), 409, "lease_expired")

    assert "next_task" not in body
    assert ok(await caller.show(waiting["id"]))["status"] == "pending"


@pytest.mark.parametrize(
    "wanted", [None, {}, [], "report", {"type": "a b"}, {"type": "report", "worker_id": 3}]
)
async def test_a_bad_claim_refuses_the_whole_before_anything_is_done(
    wanted: object, caller: Caller
) -> None:
    claim = await caller.held()

    refused(await finish(caller, "complete", claim, claim_next=wanted), 400, "invalid_request")

    assert ok(await caller.show(claim["task"]["id"]))["status"] == "claimed"


@pytest.mark.parametrize("verb", ["complete", "fail"])
async def test_a_repeat_names_the_same_next_task(verb: str, caller: Caller) -> None:
    claim = await caller.held()
    for _ in range(2):
        await caller.task(priority=9)

    first = ok(await finish(caller, verb, claim))
    again = ok(await finish(caller, verb, claim))

    assert again == first
    held = ok(await caller.read("/v1/tasks?status=claimed"))["items"]
    assert [task["id"] for task in held] == [first["next_task"]["id"]]


async def test_a_repeat_hands_out_the_failed_task_again_with_the_same_lease(
    caller: Caller,
) -> None:
    claim = await caller.held()

    first = ok(await finish(caller, "fail", claim, reason="no paper"))
    caller.service.clock.advance(9)
    ok(await caller.do("heartbeat", claim["task"]["id"], **_token(taken(first))))
    again = ok(await finish(caller, "fail", claim, reason="no paper"))

    assert again["next_lease_token"] == first["next_lease_token"]
    assert {**again, "next_task": None, "agent_contract": None} == {
        **first,
        "next_task": None,
        "agent_contract": None,
    }
    assert again["next_task"]["attemptCount"] == 2
    assert ok(await caller.do("complete", again["next_task"]["id"], **_token(taken(again))))


async def test_the_failed_task_is_handed_out_again_for_the_same_words_alone(
    caller: Caller,
) -> None:
    claim = await caller.held()
    ok(await finish(caller, "fail", claim, reason="no paper"))

    for verb, words in (("fail", {"reason": "no ink"}), ("complete", {})):
        body = refused(await finish(caller, verb, claim, **words), 409, "lease_expired")
        assert body["details"] == {"reason": "superseded"}
    alone = await caller.do("fail", claim["task"]["id"], **_token(claim), reason="no paper")
    refused(alone, 409, "lease_expired")


async def test_a_repeat_names_the_same_next_task_though_others_took_the_failed_one(
    caller: Caller,
) -> None:
    claim = await caller.held()
    waiting = await caller.task(priority=9)
    first = ok(await finish(caller, "fail", claim, reason="no paper"))
    other = ok(await caller.claim_next(worker_id="worker-8"))

    again = ok(await finish(caller, "fail", claim, reason="no paper"))

    assert other["task"]["id"] == first["id"] == again["id"]
    assert (again["status"], again["claimedBy"]) == ("claimed", "worker-8")
    assert again["next_task"] == first["next_task"]
    assert again["next_task"]["id"] == waiting["id"]
    assert again["next_lease_token"] == first["next_lease_token"]


async def test_the_token_of_one_task_repeats_the_failure_of_no_other(caller: Caller) -> None:
    claim, bystander = await caller.held(), await caller.held()
    ok(await finish(caller, "fail", claim))

    mixed_up = {"task": bystander["task"], "lease_token": claim["lease_token"]}

    refused(await finish(caller, "fail", mixed_up), 409, "lease_expired")
    assert ok(await caller.show(bystander["task"]["id"]))["attemptCount"] == 1


async def test_a_repeat_that_comes_after_the_next_lease_is_over_takes_a_fresh_task(
    caller: Caller,
) -> None:
    """Documented: what is known of a claim is known while its lease lives."""
    claim = await caller.held()
    _, fresh = [await caller.task() for _ in range(2)]
    first = ok(await finish(caller, "complete", claim))
    ok(await caller.do("complete", first["next_task"]["id"], **_token(taken(first))))

    late = ok(await finish(caller, "complete", claim))

    assert (late["id"], late["status"]) == (claim["task"]["id"], "completed")
    assert late["next_task"]["id"] == fresh["id"]
    assert late["next_lease_token"] != first["next_lease_token"]


async def test_without_a_token_a_repeat_is_refused_and_claims_nothing(caller: Caller) -> None:
    claim = await caller.held()
    for _ in range(2):
        await caller.task()
    body = {"claim_next": NEXT}
    path = f"/v1/tasks/{claim['task']['id']}/complete"

    ok(await caller.send("POST", path, body))

    refused(await caller.send("POST", path, body), 409, "invalid_transition")
    assert len(ok(await caller.read("/v1/tasks?status=claimed"))["items"]) == 1


async def test_the_end_frees_the_place_that_the_next_takes(customer: Caller) -> None:
    first, _ = [await customer.held() for _ in range(2)]
    await customer.task()
    refused(await customer.claim_next(), 429, "max_workers_reached")

    answer = ok(await finish(customer, "complete", first))

    assert answer["next_task"]


async def test_a_used_up_window_of_claims_leaves_the_end_standing(
    customer: Caller, database: Database
) -> None:
    claim = await customer.held()
    await customer.task()
    set_used(database, customer, claims=120)

    response = await finish(customer, "complete", claim)

    answer = response.json()
    assert (response.status_code, answer["status"]) == (200, "completed")
    assert (answer["next_task"], answer["next_error"]) == (None, "rate_limited")
    assert answer["agent_contract"]["retryable"] is False
    assert recommended(answer)["action"] == "retry_after_wait"
    assert recommended(answer)["endpoint"] == "/v1/tasks/claim"


async def test_an_empty_claim_behind_an_end_counts_as_a_read(frugal: Caller) -> None:
    claim = await frugal.held()
    other = await frugal.held()
    (await finish(frugal, "complete", claim)).raise_for_status()
    for _ in range(4):
        ok(await frugal.read("/v1/tasks"))
    await frugal.task()

    answer = (await finish(frugal, "complete", other)).json()

    assert (answer["status"], answer["next_error"]) == ("completed", "rate_limited")


async def test_where_the_fate_of_both_is_unknown_a_repeat_finds_out(
    caller: Caller, trouble: Trouble
) -> None:
    claim = await caller.held()
    await caller.task()
    trouble.loses_commits = True
    refused(await finish(caller, "complete", claim), 503, "server_error")
    trouble.heal()

    answer = ok(await finish(caller, "complete", claim))

    assert answer["status"] == "completed"
    assert len(ok(await caller.read("/v1/tasks?status=claimed"))["items"]) == 1
    assert ok(await caller.do("complete", answer["next_task"]["id"], **_token(taken(answer))))


def _token(claim: Json) -> Json:
    return {"lease_token": claim["lease_token"]}


async def test_dying_tasks_in_the_way_do_not_hide_the_next(caller: Caller) -> None:
    for _ in range(40):
        await caller.held(maxAttempts=1)
    waiting = await caller.task()
    claim = await caller.held(type="other", leaseDurationSeconds=3_600)
    caller.service.clock.advance(400)

    answer = ok(await finish(caller, "complete", claim))

    assert answer["next_task"]["id"] == waiting["id"]


# The store's kind is nothing to the log, and only this one can be filled between two commits.
@pytest.mark.parametrize("database", [SQLITE], indirect=True)
async def test_a_claim_that_fails_behind_an_end_is_told_of_in_the_log(
    caller: Caller, trouble: Trouble
) -> None:
    for _ in range(40):
        await caller.held(maxAttempts=1)
    claim = await caller.held(type="other", leaseDurationSeconds=3_600)
    caller.service.clock.advance(400)
    trouble.hold()
    ending = asyncio.create_task(finish(caller, "complete", claim))
    await trouble.held()
    # The end is being committed; the claim has to look again, and finds no room.
    trouble.full = True
    trouble.release()

    response = await ending

    answer = ok(response)
    assert (answer["status"], answer["next_error"]) == ("completed", "server_error")
    ((event, request_id, _),) = [
        fault for fault in caller.service.observer.faults if fault[0] == "claim_next_failed"
    ]
    assert (event, request_id) == ("claim_next_failed", response.headers["x-request-id"])
