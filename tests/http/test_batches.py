"""Several tasks in one request: each item is answered for itself, all in one transaction."""

import asyncio
import json

import pytest

from orchestrion.core.limits import BATCH_BODY_BYTES_MAX, BATCH_ITEMS_MAX, BODY_BYTES_MAX
from orchestrion.core.plans import HOSTED, mutations_per_hour
from tests.databases import Database, Trouble
from tests.http.accounts import set_tasks_in_cycle, set_used
from tests.http.batching import (
    PATHS,
    Names,
    alone,
    claimed_items,
    errors,
    item_of,
    items_of,
    statuses,
    together,
)
from tests.http.callers import (
    Caller,
    Json,
    Response,
    advice,
    limit_left,
    ok,
    recommended,
    refused,
    stranger,
)

GOOD: Json = {"type": "report", "payload": {"page": 1}}
# What is wrong with one create, as text, for some of it no JSON library would write.
BAD_CREATES = {
    "no object": "3",
    "a list": "[]",
    "null": "null",
    "empty": "{}",
    "no payload": '{"type":"report"}',
    "a bad type": '{"type":"a b","payload":{}}',
    "a payload that is no object": '{"type":"report","payload":[1]}',
    "a duplicate key": '{"type":"report","type":"report","payload":{}}',
    "a duplicate key in the payload": '{"type":"report","payload":{"a":1,"a":2}}',
    "NUL": '{"type":"report","payload":{"a":"\\u0000"}}',
    "half a surrogate pair": '{"type":"report","payload":{"a":"\\ud800"}}',
    "not a number": '{"type":"report","payload":{"a":NaN}}',
    "infinity": '{"type":"report","payload":{"a":-Infinity}}',
    "an overflow": '{"type":"report","payload":{"a":1e999}}',
    "too many digits": '{"type":"report","payload":{"a":' + "1" * 4_001 + "}}",
    "too deep": '{"type":"report","payload":{"a":{"b":{"c":{"d":{"e":[]}}}}}}',
    "too large": '{"type":"report","payload":{"a":"' + "x" * 65_536 + '"}}',
    "null for an option": '{"type":"report","payload":{},"priority":null}',
    "out of range": '{"type":"report","payload":{},"priority":101}',
    "a text for a number": '{"type":"report","payload":{},"priority":"1"}',
    "a bad time": '{"type":"report","payload":{},"scheduledAt":"soon"}',
    "too far ahead": '{"type":"report","payload":{},"scheduledAt":"2031-01-01T00:00:00Z"}',
    "too long ago": '{"type":"report","payload":{},"scheduledAt":"2001-01-01T00:00:00Z"}',
    "a raw control character": '{"type":"report","payload":{"a":"\x01"}}',
    "a raw control character in a key": '{"type":"report","payload":{"\x1f":1}}',
    "a raw control character between": '{"type":"report",\x01"payload":{}}',
    "halves of surrogate pairs": '{"type":"report","payload":{"a":"\\udc00\\ud800"}}',
    "much too deep": '{"type":"report","payload":' + '{"a":' * 40 + "1" + "}" * 40 + "}",
    "a bad key": '{"type":"report","payload":{},"idempotencyKey":"\\u00e9"}',
}


async def raw(caller: Caller, verb: str, body: str | bytes) -> Response:
    headers = {**caller.account.headers, "Content-Type": "application/json"}
    return await caller.client.post(PATHS[verb], content=body, headers=headers)


async def several_held(caller: Caller, count: int, **fields: object) -> Json:
    """Create tasks and claim them with one request."""
    created = await together(caller, "create", [{**GOOD, **fields} for _ in range(count)])
    assert set(statuses(created)) == {201}
    return ok(await caller.claim_next(max_tasks=count))


async def test_a_hundred_tasks_live_their_lives_in_six_requests(caller: Caller) -> None:
    items = [{**GOOD, "payload": {"page": page}} for page in range(BATCH_ITEMS_MAX)]

    created = items_of(await together(caller, "create", items))
    claims = [ok(await caller.claim_next(max_tasks=50)) for _ in range(2)]
    held = [item for claim in claims for item in claimed_items(claim)]
    renewed = await together(caller, "heartbeat", held)
    done = await together(
        caller, "complete", [{**item, "result": {"n": n}} for n, item in enumerate(held)]
    )

    assert [item["body"]["payload"]["page"] for item in created] == list(range(100))
    assert [item["id"] for item in held] == [item["body"]["id"] for item in created]
    assert set(statuses(renewed)) == set(statuses(done)) == {200}
    assert [item["body"]["result"]["n"] for item in items_of(done)] == list(range(100))
    listed = ok(await caller.read("/v1/tasks?status=completed&limit=100"))["items"]
    assert len(listed) == 100


@pytest.mark.parametrize("verb", PATHS)
@pytest.mark.parametrize("count", [0, BATCH_ITEMS_MAX + 1])
async def test_a_batch_has_one_to_a_hundred_items(verb: str, count: int, caller: Caller) -> None:
    item = GOOD if verb == "create" else {"id": "tsk_unknown"}

    refused(await together(caller, verb, [item] * count), 400, "invalid_request")

    assert ok(await caller.read("/v1/tasks"))["items"] == []


@pytest.mark.parametrize("bad", BAD_CREATES.values(), ids=BAD_CREATES.keys())
async def test_one_bad_create_never_sinks_the_rest(bad: str, caller: Caller) -> None:
    good = json.dumps({**GOOD, "payload": {"text": '"}],[{\\"\u00e9', "n": 1.50}})
    headers = {**caller.account.headers, "Content-Type": "application/json"}
    single = await caller.client.post("/v1/tasks", content=bad, headers=headers)

    answer = await raw(caller, "create", f' {{ "items" : [ {good} , {bad},{good}] }} ')

    assert statuses(answer) == [201, 400, 201]
    refusal = items_of(answer)[1]["body"]
    assert refusal["error"] == refused(single, 400, "invalid_request")["error"]
    assert refusal["agent_contract"] == single.json()["agent_contract"]
    assert refusal["request_id"] == answer.headers["x-request-id"]
    assert recommended(ok(answer))["action"] == "fix_request"
    assert len(ok(await caller.read("/v1/tasks"))["items"]) == 2
    assert '"n":1.5}' in answer.text


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        "[]",
        "3",
        '{"items":{}}',
        '{"items":null}',
        '{"items":[{"type":"report","payload":{}},]}',
        '{"items":[{"type":"report","payload":{}}',
        '{"items":[{"type":"report","payload":{}}]} x',
        '{"items":[{"type":"report","payload":{}}],}',
        '{"items":[{"type":"report","payload":{}} {}]}',
        '{"items":[{"type":"report","payload":{}}],"items":[{"type":"report","payload":{}}]}',
        '{"items":[{"type":"report","payload":{}},\x01{"type":"report","payload":{}}]}',
        '{"items":[{"type":"report","payload":{"a":"\x01"}},]}',
        '{"items":[{"type":"report","payload":{}}],"more":NaN}',
        '{"items":[{"type":"report","payload":{}}],"\\u0000":1}',
        '{"items":[{"type":"report","payload":{}}],"more":' + "[" * 40 + "]" * 40 + "}",
        b'{"items":[{"type":"report","payload":{"a":"\xff"}}]}',
        b'\xef\xbb\xbf{"items":[{"type":"report","payload":{}}]}',
    ],
)
async def test_a_body_that_is_wrong_as_a_whole_is_refused_as_a_whole(
    body: str | bytes, caller: Caller
) -> None:
    refused(await raw(caller, "create", body), 400, "invalid_request")

    assert ok(await caller.read("/v1/tasks"))["items"] == []


async def test_what_is_unknown_beside_the_items_is_ignored(caller: Caller) -> None:
    answer = await caller.send("POST", "/v1/tasks/batch", {"first": {"a": []}, "items": [GOOD]})

    assert statuses(answer) == [201]


async def test_a_batch_may_be_larger_than_another_body(caller: Caller) -> None:
    item = {**GOOD, "payload": {"text": "x" * 65_000}}
    fitting = BATCH_BODY_BYTES_MAX // len(json.dumps(item))
    assert fitting * len(json.dumps(item)) > BODY_BYTES_MAX

    large = await together(caller, "create", [item] * (fitting - 1))
    too_large = await together(caller, "create", [item] * (fitting + 1))

    assert set(statuses(large)) == {201}
    refused(too_large, 413, "invalid_request")
    assert str(BATCH_BODY_BYTES_MAX) in too_large.json()["message"]


async def test_an_item_is_no_larger_than_a_request_of_its_own(caller: Caller) -> None:
    large = json.dumps({**GOOD, "more": "x" * BODY_BYTES_MAX})

    answer = await raw(caller, "create", f'{{"items":[{json.dumps(GOOD)},{large}]}}')
    single = await caller.send("POST", "/v1/tasks", json.loads(large))

    assert statuses(answer) == [201, 413]
    assert errors(answer)[1] == refused(single, 413, "invalid_request")["error"]


@pytest.mark.parametrize("unit", ["0,", "{},", '{"type":"report","payload":{}},'])
async def test_of_too_many_items_the_count_is_told(unit: str, caller: Caller) -> None:
    body = '{"items":[' + unit * (BATCH_BODY_BYTES_MAX // len(unit) - 20) + "{}]}"

    answer = refused(await raw(caller, "create", body), 400, "invalid_request")

    assert str(BATCH_ITEMS_MAX) in answer["message"]


@pytest.mark.parametrize("count", [2, 120])
async def test_whole_numbers_may_be_written_as_floats_in_an_item(
    count: int, caller: Caller
) -> None:
    """120 of them make a body that is not read at once."""
    text = "x" * (600 if count > 2 else 1)
    items = [
        json.dumps({**GOOD, "payload": {"text": text}, "priority": 5.0, "maxAttempts": 2.0})
        for _ in range(min(count, BATCH_ITEMS_MAX))
    ]

    answer = await raw(caller, "create", f'{{"items":[{",".join(items)}]}}')

    assert set(statuses(answer)) == {201}
    assert items_of(answer)[0]["body"]["priority"] == 5


async def test_every_kind_of_refusal_stands_beside_what_is_accepted(caller: Caller) -> None:
    claim = await several_held(caller, 4)
    done, late, lost, good = claimed_items(claim)
    ok(await alone(caller, "complete", {**done, "result": {"n": 1}}))
    other = await stranger(caller.service)
    foreign = await other.held()
    pending = await caller.task(type="later")

    answer = await together(
        caller,
        "complete",
        [
            {**done, "result": {"n": 2}},
            {**late, "lease_token": "lse_" + "0" * 34},
            {**lost, "result": []},
            {"lease_token": "lse_" + "0" * 34},
            item_of(foreign),
            {"id": "tsk_none"},
            {"id": ""},
            {"id": "x" * 101},
            {"id": 5},
            {"id": pending["id"]},
            {**good, "output_id": "."},
            {**good, "result": {"n": 3}},
        ],
    )

    assert errors(answer) == [
        "invalid_transition",
        "lease_expired",
        "invalid_request",
        "invalid_request",
        "task_not_found",
        "task_not_found",
        "task_not_found",
        "task_not_found",
        "invalid_request",
        "invalid_transition",
        "invalid_request",
        "",
    ]
    assert ok(await caller.show(good["id"]))["result"] == {"n": 3}
    assert ok(await other.show(foreign["task"]["id"]))["status"] == "claimed"


@pytest.mark.parametrize("verb", ["complete", "fail", "heartbeat"])
@pytest.mark.parametrize("name", ["x", "x" * 101, "x" * 5_000, "tsk_\u00e9", "a b"])
async def test_an_item_with_no_id_of_ours_is_answered_as_its_own_request(
    name: str, verb: str, caller: Caller
) -> None:
    item = {"id": name, "lease_token": "lse_old"}

    (answer,) = items_of(await together(caller, verb, [item]))
    single = await alone(caller, verb, item)

    assert answer["status"] == single.status_code
    assert Names().plain(answer["body"]) == Names().plain(single.json())
    assert answer["body"]["error"] == "task_not_found"


async def test_a_batch_is_advised_by_its_first_refusal(caller: Caller) -> None:
    claim = await several_held(caller, 2)
    first, second = claimed_items(claim)

    renewed = ok(await together(caller, "heartbeat", [first, second]))
    mixed = ok(await together(caller, "complete", [first, {**second, "lease_token": "lse_old"}]))
    created = ok(await together(caller, "create", [GOOD]))

    assert advice(renewed) == ["complete_task", "fail_task", "heartbeat"]
    assert recommended(renewed)["endpoint"] == "/v1/tasks/complete"
    assert advice(mixed) == ["check_task_status", "claim_task", "create_task"]
    assert recommended(mixed)["endpoint"] == f"/v1/tasks/{second['id']}"
    assert advice(created) == ["claim_task", "create_task"]


async def test_a_heartbeat_of_a_batch_gives_back_first_what_is_asked_back(caller: Caller) -> None:
    claim = await several_held(caller, 3)
    first, second, third = claimed_items(claim)
    ok(await caller.do("cancel", second["id"], force=True))

    asked = ok(await together(caller, "heartbeat", [first, second]))
    lost = {**third, "lease_token": "lse_old"}
    beside_refusal = ok(await together(caller, "heartbeat", [lost, second]))
    failed = await together(caller, "fail", [second])

    assert advice(asked) == ["fail_task", "complete_task", "heartbeat"]
    assert recommended(asked)["endpoint"] == "/v1/tasks/fail"
    assert "cancel_requested" in recommended(asked)["description"]
    assert advice(beside_refusal)[:2] == ["fail_task", "check_task_status"]
    assert items_of(failed)[0]["body"]["status"] == "cancelled"


async def test_who_has_to_wait_is_sent_back_to_the_path_of_the_batch(
    customer: Caller, database: Database
) -> None:
    set_used(database, customer, creates=119)

    answer = ok(await together(customer, "create", [GOOD, GOOD]))

    step = recommended(answer)
    assert (step["action"], step["endpoint"]) == ("retry_after_wait", "/v1/tasks/batch")
    assert step["method"] == "POST"
    assert "refused" in step["description"]
    assert step["retry_after_seconds"] > 0
    item = recommended(answer["items"][1]["body"])
    assert (item["action"], item["endpoint"]) == ("retry_after_wait", "/v1/tasks")


async def test_the_same_task_twice_in_a_batch_is_decided_in_order(caller: Caller) -> None:
    (item,) = claimed_items(await several_held(caller, 1))

    answer = await together(
        caller,
        "complete",
        [{**item, "result": {"n": 1}}, {**item, "result": {"n": 1}}, {**item, "result": {"n": 2}}],
    )

    assert statuses(answer) == [200, 200, 409]
    assert ok(await caller.show(item["id"]))["result"] == {"n": 1}


async def test_a_batch_can_be_repeated_and_acts_once(caller: Caller) -> None:
    creates = [{**GOOD, "idempotencyKey": f"key {n}"} for n in range(3)]
    first = items_of(await together(caller, "create", creates))
    again = items_of(await together(caller, "create", creates))
    held = claimed_items(ok(await caller.claim_next(max_tasks=10)))
    done = [{**item, "output_id": "out"} for item in held]
    completed = items_of(await together(caller, "complete", done))

    assert ["replayed" in item for item in first] == [False] * 3
    assert [item.pop("replayed") for item in again] == [True] * 3
    assert again == first
    assert len(held) == 3
    assert items_of(await together(caller, "complete", done)) == completed


async def test_a_key_twice_in_a_batch_makes_one_task(caller: Caller) -> None:
    item = {**GOOD, "idempotencyKey": "k"}

    answer = await together(caller, "create", [item, item, {**item, "priority": 1}])

    first, second, third = items_of(answer)
    assert (first["status"], second["status"], third["status"]) == (201, 201, 409)
    assert first["body"]["id"] == second["body"]["id"]
    assert (first.get("replayed"), second["replayed"]) == (None, True)
    assert third["body"]["error"] == "idempotency_conflict"


async def test_an_idempotency_key_in_the_header_means_nothing_to_a_batch(caller: Caller) -> None:
    key = {"Idempotency-Key": "k"}

    answers = [
        await caller.send("POST", "/v1/tasks/batch", {"items": [GOOD, GOOD]}, key) for _ in range(2)
    ]

    assert len({item["body"]["id"] for answer in answers for item in items_of(answer)}) == 4


async def test_keys_of_a_batch_that_is_being_committed_are_in_flight(
    caller: Caller, trouble: Trouble
) -> None:
    items = [{**GOOD, "idempotencyKey": key} for key in ("a", "b")]
    trouble.hold()
    pending = asyncio.create_task(together(caller, "create", items))
    await trouble.held()

    single = refused(await caller.create(idempotencyKey="b"), 503, "idempotency_in_flight")
    other = asyncio.create_task(
        together(caller, "create", [items[1], {**GOOD, "idempotencyKey": "c"}])
    )
    trouble.release()

    assert recommended(single)["retry_after_seconds"] == 2
    made = items_of(await pending)
    repeated, fresh = items_of(await other)
    assert (repeated["status"], repeated["body"]["error"]) == (503, "idempotency_in_flight")
    assert fresh["status"] == 201
    again = items_of(await together(caller, "create", items))
    assert [one["body"]["id"] for one in again] == [one["body"]["id"] for one in made]


async def test_a_batch_takes_of_the_window_of_creates_exactly_what_is_left(
    customer: Caller, database: Database
) -> None:
    set_used(database, customer, creates=117)

    answer = await together(customer, "create", [GOOD] * 5)

    assert statuses(answer) == [201, 201, 201, 429, 429]
    assert errors(answer)[3:] == ["rate_limited", "rate_limited"]
    assert limit_left(answer) == ("creates", 0, 3_595)
    assert len(ok(await customer.read("/v1/tasks"))["items"]) == 3


async def test_a_batch_uses_a_quota_up_exactly(customer: Caller, database: Database) -> None:
    set_tasks_in_cycle(database, customer, 197)

    answer = await together(customer, "create", [GOOD] * 5)

    assert errors(answer) == ["", "", "", "quota_exceeded", "quota_exceeded"]
    assert ok(await customer.read("/v1/billing/status"))["tasksCreatedThisCycle"] == 200


async def test_each_item_counts_against_the_hour(customer: Caller) -> None:
    left = mutations_per_hour(HOSTED.plans["free"])
    nothing = {"id": "tsk_none"}
    for _ in range(left // BATCH_ITEMS_MAX - 1):
        ok(await together(customer, "complete", [nothing] * BATCH_ITEMS_MAX))
    before = await together(customer, "fail", [nothing] * (BATCH_ITEMS_MAX - 2))

    answer = await together(customer, "complete", [nothing, {"id": 3}, nothing, nothing])

    assert limit_left(before)[:2] == ("mutations", 2)
    assert errors(answer) == ["task_not_found", "invalid_request", "rate_limited", "rate_limited"]
    assert limit_left(answer)[:2] == ("mutations", 0)
    refused(await together(customer, "fail", [nothing]), 429, "rate_limited")
    assert statuses(await together(customer, "heartbeat", [nothing])) == [404]


async def test_a_batch_that_cannot_be_written_is_refused_as_a_whole(
    caller: Caller, trouble: Trouble
) -> None:
    items = claimed_items(await several_held(caller, 2))
    trouble.full = True

    answer = await together(caller, "complete", items)

    refused(answer, 503, "server_error")
    trouble.heal()
    assert set(statuses(await together(caller, "complete", items))) == {200}


async def test_a_batch_whose_fate_is_unknown_may_be_repeated_if_each_item_may(
    caller: Caller, trouble: Trouble
) -> None:
    keyed = {**GOOD, "idempotencyKey": "k"}
    trouble.loses_commits = True

    safe = await together(caller, "create", [keyed])
    unsafe = await together(caller, "create", [keyed, GOOD])

    assert refused(safe, 503, "server_error")["agent_contract"]["retryable"] is True
    assert refused(unsafe, 500, "server_error")["agent_contract"]["retryable"] is False


@pytest.mark.parametrize("verb", ["complete", "fail", "heartbeat"])
async def test_the_body_of_an_item_is_that_of_its_own_request(verb: str, caller: Caller) -> None:
    twin = await stranger(caller.service)
    mine, its = await caller.held(), await twin.held()

    batch = items_of(await together(caller, verb, [item_of(mine)]))[0]
    single = await alone(twin, verb, item_of(its))

    assert batch["status"] == single.status_code
    assert Names().plain(batch["body"]) == Names().plain(single.json())
