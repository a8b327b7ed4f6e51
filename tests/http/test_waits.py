"""Waiting for tasks: `wait_seconds` on GET /v1/tasks/{id}, and POST /v1/tasks/wait."""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace

from orchestrion.core.plans import SELF_HOSTED, Catalogue, waiters_per_account
from orchestrion.engine.watches import Watches
from orchestrion.service import ServiceOptions
from tests.databases import Database
from tests.engine.waiting_room import until
from tests.harness import running
from tests.http.callers import (
    Caller,
    Json,
    Response,
    advice,
    next_actions,
    ok,
    recommended,
    refused,
    stranger,
)

PATIENCE_SECONDS = 20.0
SMALL = Catalogue(plans={"free": replace(SELF_HOSTED.plans["free"], max_workers=1)})


async def begun(caller: Caller, asking: Coroutine[Any, Any, Response]) -> "asyncio.Task[Response]":
    """Send a request, and go on once it waits."""
    watches = caller.service.service.watches
    resting = watches.resting
    request = asyncio.create_task(asking)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while watches.resting == resting:
            assert not request.done(), request.result().text
            await asyncio.sleep(0.001)
    return request


async def answered(request: "asyncio.Task[Response]") -> Json:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return ok(await request)


def waiting(caller: Caller, task_id: str, query: str = "") -> Coroutine[Any, Any, Response]:
    return caller.read(f"/v1/tasks/{task_id}?wait_seconds=20{query}")


def wait(caller: Caller, *ids: str, **fields: object) -> Coroutine[Any, Any, Response]:
    return caller.send("POST", "/v1/tasks/wait", {"ids": list(ids), **fields})


# --- one task


async def test_a_reader_is_answered_when_the_task_has_ended(caller: Caller) -> None:
    claim = await caller.held()
    task_id = claim["task"]["id"]
    request = await begun(caller, waiting(caller, task_id))

    done = await caller.do("complete", task_id, result={"pages": 3})

    shown = await answered(request)
    assert (shown["status"], shown["result"]) == ("completed", {"pages": 3})
    assert shown == ok(done)


async def test_a_reader_of_changes_is_answered_by_a_claim(caller: Caller) -> None:
    task = await caller.task()
    request = await begun(caller, waiting(caller, task["id"], "&until=change&view=compact"))

    ok(await caller.claim_next())

    shown = await answered(request)
    assert (shown["status"], shown["attemptCount"]) == ("claimed", 1)
    assert "payload" not in shown


async def test_a_reader_whose_time_is_up_sees_the_task_as_it_is(caller: Caller) -> None:
    task = await caller.task()
    request = await begun(caller, waiting(caller, task["id"]))
    ok(await caller.claim_next())

    caller.service.clock.advance(20.1)
    caller.service.service.watches.turn()

    assert (await answered(request))["status"] == "claimed"


async def test_a_lease_that_is_swept_ends_a_wait_for_the_end(caller: Caller) -> None:
    claim = await caller.held(maxAttempts=1, leaseDurationSeconds=30)
    request = await begun(caller, waiting(caller, claim["task"]["id"]))

    caller.service.clock.advance(30)
    await caller.service.run_job("expire_leases")

    assert (await answered(request))["status"] == "dead_letter"


async def test_what_has_ended_or_is_not_there_is_answered_at_once(caller: Caller) -> None:
    task = await caller.task()
    ok(await caller.do("cancel", task["id"]))
    other = await stranger(caller.service)

    assert ok(await waiting(caller, task["id"]))["status"] == "cancelled"
    refused(await waiting(other, task["id"]), 404, "task_not_found")


@pytest.mark.parametrize(
    "query",
    [
        *("wait_seconds=51", "wait_seconds=-1", "wait_seconds=", "wait_seconds=1.5"),
        *("wait_seconds=ten", "wait_seconds=999999999999", "until=", "until=done"),
        "wait_seconds=٣",
    ],
)
async def test_what_is_no_wait_is_refused(query: str, caller: Caller) -> None:
    task = await caller.task()

    answer = refused(await caller.read(f"/v1/tasks/{task['id']}?{query}"), 400, "invalid_request")

    assert query.partition("=")[0] in answer["message"]


# --- several tasks


async def test_waiting_for_all_ends_with_the_last(caller: Caller) -> None:
    ids = [(await caller.held())["task"]["id"] for _ in range(3)]
    request = await begun(caller, wait(caller, *ids))

    for task_id in reversed(ids):
        ok(await caller.do("complete", task_id))

    answer = await answered(request)
    assert [one["id"] for one in answer["items"]] == ids
    assert {one["status"] for one in answer["items"]} == {"completed"}
    assert "payload" not in answer["items"][0]
    assert (answer["remaining"], answer["timed_out"]) == ([], False)
    assert "not_found" not in answer
    assert advice(answer) == ["check_task_status"]
    assert recommended(answer)["endpoint"] == f"/v1/tasks/{ids[0]}"


async def test_waiting_for_any_ends_with_the_first(caller: Caller) -> None:
    ids = [(await caller.held())["task"]["id"] for _ in range(3)]
    request = await begun(caller, wait(caller, *ids, mode="any"))

    ok(await caller.do("complete", ids[1]))

    answer = await answered(request)
    assert [one["id"] for one in answer["items"]] == [ids[1]]
    assert (answer["remaining"], answer["timed_out"]) == ([ids[0], ids[2]], False)
    assert advice(answer) == ["check_task_status", "retry_after_wait"]
    assert recommended(answer)["endpoint"] == f"/v1/tasks/{ids[1]}"


async def test_what_remains_is_what_to_send_next(caller: Caller) -> None:
    ids = [(await caller.held())["task"]["id"] for _ in range(2)]
    request = await begun(caller, wait(caller, *ids, wait_seconds=20))
    ok(await caller.do("complete", ids[0]))

    caller.service.clock.advance(20.1)
    caller.service.service.watches.turn()
    answer = await answered(request)

    assert ([one["id"] for one in answer["items"]], answer["timed_out"]) == ([ids[0]], True)
    assert advice(answer) == ["retry_after_wait", "check_task_status"]
    assert next_actions(answer)[1]["endpoint"] == f"/v1/tasks/{ids[0]}"
    again = await begun(caller, wait(caller, *answer["remaining"]))
    ok(await caller.do("complete", ids[1]))
    assert [one["id"] for one in (await answered(again))["items"]] == [ids[1]]


async def test_when_nothing_came_the_advice_is_to_wait_on_and_else_to_look(caller: Caller) -> None:
    task = await caller.task()

    answer = ok(await wait(caller, task["id"], wait_seconds=0))

    assert (answer["items"], answer["remaining"], answer["timed_out"]) == ([], [task["id"]], True)
    assert advice(answer) == ["retry_after_wait", "check_task_status"]
    assert next_actions(answer)[1]["endpoint"] == f"/v1/tasks/{task['id']}"
    again = recommended(answer)
    assert (again["endpoint"], again["retry_after_seconds"]) == ("/v1/tasks/wait", 5)


async def test_a_change_of_any_is_enough_for_who_asks_for_it(caller: Caller) -> None:
    first, second = await caller.task(), await caller.task()
    asking = wait(caller, first["id"], second["id"], mode="any", until="change")
    request = await begun(caller, asking)

    ok(await caller.claim_next())

    answer = await answered(request)
    assert [(one["id"], one["status"]) for one in answer["items"]] == [(first["id"], "claimed")]
    assert answer["remaining"] == [second["id"]]


async def test_unknown_and_foreign_tasks_are_named_and_not_waited_for(caller: Caller) -> None:
    other = await stranger(caller.service)
    foreign = (await other.task())["id"]
    done = await caller.task()
    ok(await caller.do("cancel", done["id"]))

    answer = ok(await wait(caller, "nothing", done["id"], foreign, done["id"]))
    none = ok(await wait(caller, foreign))

    assert answer["not_found"] == ["nothing", foreign]
    assert [one["id"] for one in answer["items"]] == [done["id"]]
    assert (none["items"], none["remaining"], none["not_found"]) == ([], [], [foreign])
    assert none["timed_out"] is False
    assert advice(none) == ["list_tasks"]


@pytest.mark.parametrize(
    "fields",
    [
        {"ids": []},
        {"ids": ["x"] * 101},
        {"ids": [""]},
        {"ids": ["x" * 101]},
        {"ids": [1]},
        {"ids": "tsk_1"},
        {"ids": None},
        {"ids": ["x"], "mode": "some"},
        {"ids": ["x"], "until": "done"},
        {"ids": ["x"], "wait_seconds": 51},
        {"ids": ["x"], "wait_seconds": "5"},
        {},
    ],
    ids=str,
)
async def test_a_bad_wait_is_refused(fields: Json, caller: Caller) -> None:
    refused(await caller.send("POST", "/v1/tasks/wait", fields), 400, "invalid_request")


async def test_a_wait_counts_as_one_read(frugal: Caller) -> None:
    task = await frugal.task()

    answers = [await wait(frugal, task["id"], wait_seconds=0) for _ in range(6)]

    assert [one.status_code for one in answers] == [200] * 5 + [429]
    assert answers[0].headers["ratelimit"].startswith('"reads"')


# --- many waits, and the end of the server


async def test_an_account_has_so_many_waits_as_its_plan_allows(database: Database) -> None:
    async with running(database, ServiceOptions(catalogue=SMALL)) as harness:
        caller = Caller(harness, await harness.account())
        task_id = (await caller.held())["task"]["id"]
        limit = waiters_per_account(SMALL.plans["free"])
        requests = [await begun(caller, waiting(caller, task_id)) for _ in range(limit)]

        one_more = refused(await wait(caller, task_id), 429, "rate_limited")
        ok(await caller.do("complete", task_id))

        assert recommended(one_more)["retry_after_seconds"] == 5
        assert {(await answered(one))["status"] for one in requests} == {"completed"}


def resting(watches: Watches, count: int) -> bool:
    return watches.resting == count


async def test_a_crowd_that_waits_for_one_task_is_answered(caller: Caller) -> None:
    """All of it reads the task anew at once: more than a pool of sessions lets wait."""
    task_id = (await caller.held())["task"]["id"]
    watches, crowd = caller.service.service.watches, caller.unchecked()
    requests: list[asyncio.Task[Response]] = []
    for _ in range(7):
        requests += [asyncio.create_task(waiting(crowd, task_id)) for _ in range(100)]
        await until(partial(resting, watches, len(requests)))

    ok(await caller.do("complete", task_id))

    answers = [await answered(request) for request in requests]
    assert {answer["status"] for answer in answers} == {"completed"}
    assert not caller.service.observer.faults


async def test_a_crowd_of_claims_that_a_stop_answers_is_explained(caller: Caller) -> None:
    waiters, crowd = caller.service.service.waiters, caller.unchecked()
    claims = [asyncio.create_task(crowd.claim_next(wait_seconds=50)) for _ in range(700)]
    await until(lambda: waiters.room.taken == len(claims) and not waiters.asking)

    caller.service.service.stop_waiting()

    assert {(await answered(one))["empty_reason"] for one in claims} == {"unknown_type"}


async def test_a_server_that_stops_answers_whoever_waits(caller: Caller) -> None:
    task = await caller.task()
    requests = [
        await begun(caller, waiting(caller, task["id"])),
        await begun(caller, wait(caller, task["id"])),
    ]

    caller.service.service.stop_waiting()

    one, several = [await answered(request) for request in requests]
    assert one["status"] == "pending"
    assert (several["remaining"], several["timed_out"]) == ([task["id"]], True)


async def test_a_wait_is_not_slow(caller: Caller) -> None:
    """What is measured is the work of the server, and waiting is none."""
    task = await caller.task()
    request = await begun(caller, waiting(caller, task["id"]))

    caller.service.clock.advance(15)
    ok(await caller.do("cancel", task["id"]))
    await answered(request)

    noted = {one.operation: one.seconds for one in caller.service.observer.requests}
    assert noted["check_task_status"] == 0
