"""Requests whose answer was lost are sent again: nothing happens twice, nobody is disturbed."""

import asyncio

import pytest

from tests.databases import Database, Trouble
from tests.http.callers import Caller, Json, Response, ok, recommended, refused, stranger

REPLAYED = "idempotent-replayed"
KEY = {"Idempotency-Key": "worker-1-claim-7"}
WORDS: dict[str, Json] = {
    "complete": {"result": {"pages": 3, "of": {"a": 1}}, "output_id": "out_1"},
    "fail": {"reason": "no ink", "retry_after_seconds": 90},
    "release": {"reason": "stopping", "retry_after_seconds": 90},
}


def shown(answer: Json) -> Json:
    """Give a task without its guidance, which speaks of the moment."""
    return {name: value for name, value in answer.items() if name != "agent_contract"}


async def claim_under(caller: Caller, key: str, **fields: object) -> Response:
    body = {"type": "report", **fields}
    return await caller.send("POST", "/v1/tasks/claim", body, {"Idempotency-Key": key})


# --- what went wrong before there were tokens


async def test_a_fail_whose_answer_was_lost_does_not_end_the_attempt_of_the_next_worker(
    caller: Caller,
) -> None:
    lost = await caller.held()
    task_id = lost["task"]["id"]
    ok(await caller.do("fail", task_id, lease_token=lost["lease_token"], reason="no ink"))
    taken = ok(await caller.do("claim", task_id))
    before = ok(await caller.show(task_id))

    again = await caller.do("fail", task_id, lease_token=lost["lease_token"], reason="no ink")

    assert refused(again, 409, "lease_expired")["details"] == {"reason": "superseded"}
    assert ok(await caller.show(task_id)) == before
    ok(await caller.do("complete", task_id, lease_token=taken["lease_token"]))


async def test_a_claim_whose_answer_was_lost_does_not_cost_the_only_attempt(
    caller: Caller,
) -> None:
    task = await caller.task(maxAttempts=1)
    lost = ok(await claim_under(caller, "k"))

    again = await claim_under(caller, "k")

    assert again.headers[REPLAYED] == "true"
    assert ok(again) == lost
    assert lost["task"]["attemptCount"] == 1
    ok(await caller.do("complete", task["id"], lease_token=ok(again)["lease_token"]))


async def test_a_worker_that_wakes_after_a_requeue_meets_the_first_attempt_of_another(
    caller: Caller,
) -> None:
    asleep = await caller.held(maxAttempts=1, leaseDurationSeconds=60)
    task_id = asleep["task"]["id"]
    caller.service.clock.advance(60)
    ok(await caller.do("requeue", task_id))
    taken = ok(await caller.do("claim", task_id))
    assert taken["task"]["attemptCount"] == asleep["task"]["attemptCount"] == 1

    for verb in ("heartbeat", "complete", "fail", "release"):
        answer = await caller.do(verb, task_id, lease_token=asleep["lease_token"])
        assert refused(answer, 409, "lease_expired")["details"] == {"reason": "superseded"}

    ok(await caller.do("complete", task_id, lease_token=taken["lease_token"]))


# --- repeats of what ends a lease


@pytest.mark.parametrize("verb", WORDS)
async def test_a_repeat_answers_the_same_task_and_changes_no_row(
    verb: str, caller: Caller, database: Database
) -> None:
    claim = await caller.held()
    task_id, token = claim["task"]["id"], claim["lease_token"]
    first = ok(await caller.do(verb, task_id, lease_token=token, **WORDS[verb]))
    rows = database.fetch("select * from tasks")
    caller.service.clock.advance(3_600)

    again = ok(await caller.do(verb, task_id, lease_token=token, **WORDS[verb]))

    assert shown(again) == shown(first)
    assert database.fetch("select * from tasks") == rows


@pytest.mark.parametrize("verb", WORDS)
async def test_many_repeats_at_once_act_once(verb: str, caller: Caller) -> None:
    claim = await caller.held(maxAttempts=2)
    task_id, token = claim["task"]["id"], claim["lease_token"]

    answers = await asyncio.gather(
        *(caller.do(verb, task_id, lease_token=token, **WORDS[verb]) for _ in range(8))
    )

    tasks = [shown(ok(answer)) for answer in answers]
    assert tasks == tasks[:1] * 8
    assert tasks[0]["attemptCount"] == (0 if verb == "release" else 1)


@pytest.mark.parametrize("verb", WORDS)
async def test_other_words_under_the_token_meet_the_state(verb: str, caller: Caller) -> None:
    claim = await caller.held()
    task_id, token = claim["task"]["id"], claim["lease_token"]
    ok(await caller.do(verb, task_id, lease_token=token, **WORDS[verb]))

    for other, words in (*WORDS.items(), (verb, {})):
        if words != WORDS[verb]:
            answer = await caller.do(other, task_id, lease_token=token, **words)
            refused(answer, 409, "invalid_transition")


@pytest.mark.parametrize("verb", WORDS)
async def test_a_commit_of_unknown_fate_is_settled_by_a_repeat(
    verb: str, caller: Caller, trouble: Trouble
) -> None:
    claim = await caller.held()
    task_id, words = claim["task"]["id"], {"lease_token": claim["lease_token"], **WORDS[verb]}
    trouble.loses_commits = True
    lost = refused(await caller.do(verb, task_id, **words), 503, "server_error")
    trouble.loses_commits = False

    assert lost["agent_contract"]["retryable"] is True
    assert ok(await caller.do(verb, task_id, **words))["status"] != "claimed"


async def test_a_fail_is_repeated_after_it_ended_in_dead_letter(caller: Caller) -> None:
    claim = await caller.held(maxAttempts=1)
    task_id, token = claim["task"]["id"], claim["lease_token"]
    ok(await caller.do("fail", task_id, lease_token=token))

    again = ok(await caller.do("fail", task_id, lease_token=token))

    assert again["status"] == "dead_letter"
    assert recommended(again)["action"] == "requeue_task"


# --- repeats of claims


async def test_a_repeat_of_a_claim_counts_nothing(customer: Caller) -> None:
    await customer.task()
    await customer.task()
    first = await claim_under(customer, "k")
    for _ in range(5):
        again = await claim_under(customer, "k")
        assert again.headers["ratelimit"] == first.headers["ratelimit"]
    ok(await claim_under(customer, "other"))

    # Both workers of the plan are busy now; a repeat is answered all the same.
    assert ok(await claim_under(customer, "k")) == ok(first)
    refused(await claim_under(customer, "new"), 429, "max_workers_reached")


@pytest.mark.parametrize("how", ["as it is", "in quotes"])
async def test_a_claim_by_id_is_repeated_with_the_same_key(how: str, caller: Caller) -> None:
    path = f"/v1/tasks/{(await caller.task())['id']}/claim"
    key = KEY["Idempotency-Key"]
    first = ok(await caller.send("POST", path, None, KEY))

    sent = {"Idempotency-Key": f'"{key}"'} if how == "in quotes" else KEY
    again = await caller.send("POST", path, None, sent)

    assert again.headers[REPLAYED] == "true"
    assert ok(again) == first


async def test_another_claim_under_the_key_of_a_live_lease_is_a_conflict(caller: Caller) -> None:
    await caller.task()
    await caller.task(type="mail")
    task = await caller.task(type="other")
    ok(await claim_under(caller, "k"))

    refusals = [
        await claim_under(caller, "k", type="mail"),
        await claim_under(caller, "k", worker_id="somebody-else"),
        await caller.send("POST", f"/v1/tasks/{task['id']}/claim", None, {"Idempotency-Key": "k"}),
    ]

    for answer in refusals:
        assert recommended(refused(answer, 409, "idempotency_conflict"))["action"] == "claim_task"


async def test_a_key_lives_as_long_as_its_lease_and_the_lease_with_its_heartbeats(
    caller: Caller,
) -> None:
    await caller.task(leaseDurationSeconds=60)
    first = ok(await claim_under(caller, "k"))
    caller.service.clock.advance(50)
    ok(await caller.do("heartbeat", first["task"]["id"], lease_token=first["lease_token"]))
    caller.service.clock.advance(59)

    renewed = ok(await claim_under(caller, "k"))
    caller.service.clock.advance(1)
    anew = await claim_under(caller, "k")

    assert renewed["lease_token"] == first["lease_token"]
    assert renewed["task"]["lastHeartbeatAt"] is not None
    assert ok(anew)["task"]["attemptCount"] == 2
    assert ok(anew)["lease_token"] != first["lease_token"]
    assert REPLAYED not in anew.headers


async def test_an_empty_claim_is_not_remembered(caller: Caller) -> None:
    assert ok(await claim_under(caller, "k"))["task"] is None
    task = await caller.task()

    found = await claim_under(caller, "k")

    assert ok(found)["task"]["id"] == task["id"]
    assert REPLAYED not in found.headers


async def test_claims_at_once_under_one_key_take_one_task(caller: Caller) -> None:
    for _ in range(4):
        await caller.task()

    answers = [ok(one) for one in await asyncio.gather(*(claim_under(caller, "k") for _ in "1234"))]

    assert answers == answers[:1] * 4


async def test_keys_of_claims_are_apart_from_those_of_creates_and_of_other_accounts(
    caller: Caller,
) -> None:
    foreign = await stranger(caller.service)
    theirs = await foreign.task()
    mine = await caller.task(idempotencyKey="k")

    taken = ok(await claim_under(caller, "k"))

    assert taken["task"]["id"] == mine["id"]
    assert ok(await claim_under(foreign, "k"))["task"]["id"] == theirs["id"]
    assert (await caller.create(idempotencyKey="k", priority=1)).status_code == 409


async def test_a_bad_key_is_refused_before_anything_is_claimed(caller: Caller) -> None:
    task = await caller.task()

    for key in ("x" * 256, "\x7f"):
        refused(await claim_under(caller, key), 400, "invalid_request")

    assert ok(await caller.show(task["id"]))["status"] == "pending"


async def test_a_commit_of_a_claim_under_a_key_is_settled_by_a_repeat(
    caller: Caller, trouble: Trouble
) -> None:
    await caller.task(maxAttempts=1)
    trouble.loses_commits = True
    lost = refused(await claim_under(caller, "k"), 503, "server_error")
    trouble.loses_commits = False

    assert lost["agent_contract"]["retryable"] is True
    assert ok(await claim_under(caller, "k"))["task"]["attemptCount"] == 1
