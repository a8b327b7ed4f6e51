"""Idempotent create: the same key and request never make a second task."""

import asyncio

import pytest
from msgspec.structs import replace

from orchestrion.core.plans import HOSTED, Catalogue
from orchestrion.service import ServiceOptions
from tests.databases import Database, Trouble
from tests.harness import running
from tests.http.callers import Caller, Json, Response, advice, ok, recommended, refused, stranger

DAY = 24 * 3600
WEEK = 7 * DAY


def replayed(response: Response) -> Json:
    body = ok(response, 201)
    assert response.headers["idempotent-replayed"] == "true"
    return body


def first(response: Response) -> Json:
    body = ok(response, 201)
    assert "idempotent-replayed" not in response.headers
    return body


@pytest.mark.parametrize(
    ("headers", "fields"),
    [
        ({}, {"idempotencyKey": "key 1"}),
        ({"Idempotency-Key": "key 1"}, {}),
        ({"Idempotency-Key": '"key 1"'}, {}),
        ({"Idempotency-Key": '"key 1"'}, {"idempotencyKey": "key 1"}),
    ],
    ids=["body", "bare header", "quoted header", "both"],
)
async def test_the_key_may_stand_in_header_or_body(
    headers: dict[str, str], fields: dict[str, str], caller: Caller
) -> None:
    task = first(await caller.create(headers, **fields))

    for again in (
        await caller.create(idempotencyKey="key 1"),
        await caller.create({"Idempotency-Key": "key 1"}),
    ):
        assert replayed(again) == task


async def test_keys_that_differ_in_header_and_body_are_refused(caller: Caller) -> None:
    answer = await caller.create({"Idempotency-Key": "a"}, idempotencyKey="b")

    refused(answer, 400, "invalid_request")


async def test_a_replay_shows_the_first_answer_and_what_to_do_now(caller: Caller) -> None:
    task = first(await caller.create(idempotencyKey="k"))
    ok(await caller.do("claim", task["id"]))
    ok(await caller.do("complete", task["id"], output_id="out_1"))
    caller.service.clock.advance(60)

    again = replayed(await caller.create(idempotencyKey="k"))

    assert advice(again) == ["download_artifact", "claim_task", "create_task"]
    del again["agent_contract"], task["agent_contract"]
    assert again == task
    assert again["status"] == "pending"


async def test_a_replay_of_a_purged_task_sends_the_caller_on(database: Database) -> None:
    short = replace(HOSTED.plans["free"], retention_days=1)
    options = ServiceOptions(catalogue=Catalogue(plans={"free": short}))
    async with running(database, options) as service:
        caller = Caller(service, await service.account())
        task = first(await caller.create(idempotencyKey="k"))
        ok(await caller.do("cancel", task["id"]))
        service.clock.advance(DAY)
        await service.run_job("purge_finished")

        again = replayed(await caller.create(idempotencyKey="k"))

        refused(await caller.show(task["id"]), 404, "task_not_found")
    assert again["id"] == task["id"]
    assert advice(again) == ["create_task", "claim_task"]


@pytest.mark.parametrize(
    "change",
    [
        {"type": "other"},
        {"payload": {"page": 2}},
        {"payload": {"page": 1, "more": None}},
        {"priority": 1},
        {"maxAttempts": 4},
        {"leaseDurationSeconds": 301},
        {"scheduledAt": "2027-01-15T09:00:00Z"},
    ],
    ids=str,
)
async def test_another_request_with_the_key_is_a_conflict(change: Json, caller: Caller) -> None:
    first(await caller.create(idempotencyKey="k"))

    response = await caller.create(**{"idempotencyKey": "k", **change})

    answer = refused(response, 409, "idempotency_conflict")
    assert recommended(answer)["action"] == "create_task"
    assert recommended(answer)["endpoint"] == "/v1/tasks"
    assert answer["agent_contract"]["retryable"] is False


@pytest.mark.parametrize(
    ("sent", "again"),
    [
        ({}, {"priority": 0, "maxAttempts": 3, "leaseDurationSeconds": 300}),
        ({"priority": 5}, {"priority": 5.0}),
        ({"payload": {"a": 1, "b": [2]}}, {"payload": {"b": [2], "a": 1}}),
        (
            {"scheduledAt": "2027-01-15T09:00:00Z"},
            {"scheduledAt": "2027-01-15T10:00:00.000+01:00"},
        ),
        ({}, {"colour": "red"}),
    ],
    ids=["defaults", "whole float", "order of keys", "another offset", "unknown field"],
)
async def test_the_same_request_may_be_written_differently(
    sent: Json, again: Json, caller: Caller
) -> None:
    task = first(await caller.create(**sent, idempotencyKey="k"))

    assert replayed(await caller.create(**again, idempotencyKey="k"))["id"] == task["id"]


async def test_a_late_repeat_of_a_scheduled_create_is_still_a_replay(caller: Caller) -> None:
    schedule = "2027-01-15T08:01:00Z"
    task = first(await caller.create(scheduledAt=schedule, idempotencyKey="k"))
    caller.service.clock.advance(24 * 3600)

    assert (
        replayed(await caller.create(scheduledAt=schedule, idempotencyKey="k"))["id"]
        == (task["id"])
    )
    refused(await caller.create(scheduledAt=schedule), 400, "invalid_request")


async def test_a_schedule_that_has_come_is_compared_as_it_was_sent(caller: Caller) -> None:
    schedule = "2027-01-15T07:59:30Z"
    task = first(await caller.create(scheduledAt=schedule, idempotencyKey="k"))

    assert task["scheduledAt"] is None
    refused(await caller.create(idempotencyKey="k"), 409, "idempotency_conflict")
    assert replayed(await caller.create(scheduledAt=schedule, idempotencyKey="k")) == task


async def test_a_key_lives_for_seven_days(caller: Caller) -> None:
    task = first(await caller.create(idempotencyKey="k"))

    caller.service.clock.advance(WEEK - 0.001)
    assert replayed(await caller.create(idempotencyKey="k"))["id"] == task["id"]
    caller.service.clock.advance(0.001)
    other = first(await caller.create(idempotencyKey="k", priority=1))

    assert other["id"] != task["id"]
    assert replayed(await caller.create(idempotencyKey="k", priority=1)) == other


async def test_the_job_forgets_keys_whose_time_is_over(caller: Caller) -> None:
    await caller.task(idempotencyKey="old")
    caller.service.clock.advance(WEEK - 1)
    young = await caller.task(idempotencyKey="young")
    caller.service.clock.advance(1)

    await caller.service.run_job("purge_idempotency_keys")

    assert replayed(await caller.create(idempotencyKey="young"))["id"] == young["id"]
    first(await caller.create(idempotencyKey="old", priority=1))


async def test_keys_belong_to_an_account(caller: Caller) -> None:
    task = first(await caller.create(idempotencyKey="k"))
    other = await stranger(caller.service)

    assert first(await other.create(idempotencyKey="k", priority=9))["id"] != task["id"]


async def test_a_refused_create_is_not_remembered(caller: Caller) -> None:
    late = {"idempotencyKey": "k", "scheduledAt": "2028-01-15T08:00:00Z"}
    refused(await caller.create(**late), 400, "invalid_request")

    first(await caller.create(idempotencyKey="k"))


async def test_a_replay_costs_nothing(customer: Caller) -> None:
    left = first(await customer.create(idempotencyKey="k"))
    before = await customer.create()

    for _ in range(5):
        replayed(await customer.create(idempotencyKey="k"))

    after = await customer.create()
    assert before.headers["ratelimit"].startswith('"creates";r=118;')
    assert after.headers["ratelimit"].startswith('"creates";r=117;')
    status = ok(await customer.read("/v1/billing/status"))
    assert status["tasksCreatedThisCycle"] == 3
    assert len(ok(await customer.read("/v1/tasks"))["items"]) == 3
    assert left["id"]


async def test_fifty_first_requests_at_once_make_one_task(caller: Caller) -> None:
    answers = await asyncio.gather(*[caller.create(idempotencyKey="k") for _ in range(50)])

    made = [answer for answer in answers if answer.status_code == 201]
    waiting = [answer for answer in answers if answer.status_code != 201]
    assert len({answer.json()["id"] for answer in made}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in made) == 1
    for answer in waiting:
        assert refused(answer, 503, "idempotency_in_flight")
    assert len(ok(await caller.read("/v1/tasks"))["items"]) == 1
    assert ok(await caller.read("/v1/billing/status"))["tasksCreatedThisCycle"] == 1


async def test_while_the_first_is_undecided_the_second_is_told_to_come_back(
    caller: Caller, trouble: Trouble
) -> None:
    trouble.hold()
    pending = asyncio.create_task(caller.create(idempotencyKey="k"))
    await trouble.held()

    answer = refused(await caller.create(idempotencyKey="k"), 503, "idempotency_in_flight")
    trouble.release()

    assert answer["agent_contract"]["retryable"] is True
    assert recommended(answer)["action"] == "retry_after_wait"
    assert recommended(answer)["retry_after_seconds"] == 2
    assert recommended(answer)["endpoint"] == "/v1/tasks"
    task = first(await pending)
    assert replayed(await caller.create(idempotencyKey="k"))["id"] == task["id"]


async def test_keys_are_remembered_over_a_restart(database: Database) -> None:
    async with running(database) as service:
        caller = Caller(service, await service.account())
        task = await caller.task(idempotencyKey="k")

    async with running(database) as service:
        caller = Caller(service, caller.account)
        assert replayed(await caller.create(idempotencyKey="k"))["id"] == task["id"]


async def test_a_key_means_nothing_to_other_verbs(caller: Caller) -> None:
    key = {"Idempotency-Key": "k"}
    task = await caller.task()

    await caller.send("POST", f"/v1/tasks/{task['id']}/claim", headers=key)
    answer = await caller.send("POST", f"/v1/tasks/{task['id']}/complete", headers=key)

    assert ok(answer)["status"] == "completed"
    assert "idempotent-replayed" not in answer.headers
