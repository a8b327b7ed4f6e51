"""GET /v1/tasks/{id}/explain: what a task waits for."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from orchestrion.core.plans import HOSTED, SELF_HOSTED, Catalogue
from orchestrion.service import ServiceOptions
from tests.databases import Database
from tests.engine.waiting_room import until
from tests.harness import running
from tests.http.accounts import put_on_plan, set_used
from tests.http.callers import Caller, ok, refused, stranger

ONE_WORKER = Catalogue(
    plans={"free": replace(SELF_HOSTED.plans["free"], max_workers=1)},
)


async def explained(caller: Caller, task_id: str) -> dict[str, Any]:
    answer = ok(await caller.read(f"/v1/tasks/{task_id}/explain"))
    assert answer["task_id"] == task_id
    assert answer["agent_contract"] == ok(await caller.show(task_id))["agent_contract"]
    return answer


def blocked(answer: dict[str, Any]) -> list[dict[str, str]]:
    assert answer["claimable"] is False
    blocks: list[dict[str, str]] = answer["blocked_by"]
    return blocks


def no_place(answer: dict[str, Any]) -> bool:
    return "place_in_line" not in answer


async def test_a_task_in_line_knows_its_place(caller: Caller) -> None:
    low = await caller.task(priority=1)
    high = await caller.task(priority=9)
    second = await caller.task(priority=1)
    await caller.task(priority=100, scheduledAt="2027-01-15T09:00:00Z")
    await caller.task(type="other", priority=100)

    places = [(await explained(caller, one["id"])) for one in (high, low, second)]

    assert [one["claimable"] for one in places] == [True] * 3
    assert [one["blocked_by"] for one in places] == [[]] * 3
    assert [one["place_in_line"] for one in places] == [
        {"ahead": ahead, "capped": False} for ahead in (0, 1, 2)
    ]


async def test_places_are_the_order_of_claims(caller: Caller) -> None:
    created = []
    for priority in (0, 50, 50, 7, 0, 100):
        created.append((await caller.task(priority=priority))["id"])
        caller.service.clock.advance(0.001 * (priority % 3))

    places = {one: (await explained(caller, one))["place_in_line"]["ahead"] for one in created}
    claimed = [ok(await caller.claim_next())["task"]["id"] for _ in created]

    assert claimed == sorted(created, key=places.__getitem__)
    assert sorted(places.values()) == list(range(len(created)))


async def test_a_scheduled_task_says_when_its_time_comes(caller: Caller) -> None:
    task = await caller.task(scheduledAt="2027-01-15T08:10:00Z")

    answer = await explained(caller, task["id"])

    assert blocked(answer) == [
        {
            "reason": "scheduled",
            "since": "2027-01-15T08:00:00.000Z",
            "clears_at": "2027-01-15T08:10:00.000Z",
        }
    ]
    assert no_place(answer)


async def test_a_leased_task_says_when_its_lease_ends(caller: Caller) -> None:
    claim = await caller.held(leaseDurationSeconds=60)

    answer = await explained(caller, claim["task"]["id"])

    assert blocked(answer) == [
        {
            "reason": "leased",
            "since": "2027-01-15T08:00:00.000Z",
            "clears_at": "2027-01-15T08:01:00.000Z",
        }
    ]


async def test_a_lease_that_ended_blocks_nothing(caller: Caller) -> None:
    claim = await caller.held(leaseDurationSeconds=60)
    caller.service.clock.advance(60)

    answer = await explained(caller, claim["task"]["id"])

    assert answer["claimable"] is True
    assert answer["place_in_line"] == {"ahead": 0, "capped": False}
    ok(await caller.do("claim", claim["task"]["id"]))


async def test_a_last_lease_does_not_clear(caller: Caller) -> None:
    claim = await caller.held(leaseDurationSeconds=60, maxAttempts=1)

    alive = await explained(caller, claim["task"]["id"])
    caller.service.clock.advance(60)
    over = await explained(caller, claim["task"]["id"])

    assert blocked(alive) == [{"reason": "leased", "since": "2027-01-15T08:00:00.000Z"}]
    assert blocked(over) == [{"reason": "last_lease_ended", "since": "2027-01-15T08:01:00.000Z"}]


async def test_a_cancel_that_was_asked_for_blocks_for_good(caller: Caller) -> None:
    claim = await caller.held(leaseDurationSeconds=60)
    caller.service.clock.advance(5)
    ok(await caller.do("cancel", claim["task"]["id"], force=True))

    alive = await explained(caller, claim["task"]["id"])
    caller.service.clock.advance(60)
    over = await explained(caller, claim["task"]["id"])

    asked = {"reason": "cancel_requested", "since": "2027-01-15T08:00:05.000Z"}
    assert blocked(alive) == [{"reason": "leased", "since": "2027-01-15T08:00:00.000Z"}, asked]
    assert blocked(over) == [asked]


@pytest.mark.parametrize("state", ["completed", "cancelled", "dead_letter"])
async def test_what_has_ended_says_when(state: str, caller: Caller) -> None:
    claim = await caller.held(maxAttempts=1)
    task_id = claim["task"]["id"]
    caller.service.clock.advance(5)
    if state == "cancelled":
        task_id = (await caller.task())["id"]
        ok(await caller.do("cancel", task_id))
    else:
        ok(await caller.do("complete" if state == "completed" else "fail", task_id))

    answer = await explained(caller, task_id)

    assert blocked(answer) == [{"reason": state, "since": "2027-01-15T08:00:05.000Z"}]
    assert no_place(answer)


async def test_an_account_without_a_free_worker_says_when_one_is_free(database: Database) -> None:
    async with running(database, ServiceOptions(catalogue=ONE_WORKER)) as harness:
        caller = Caller(harness, await harness.account())
        await caller.held(leaseDurationSeconds=60)
        task = await caller.task()

        answer = await explained(caller, task["id"])

    assert blocked(answer) == [
        {"reason": "max_workers_reached", "clears_at": "2027-01-15T08:01:00.000Z"}
    ]
    assert answer["place_in_line"] == {"ahead": 0, "capped": False}


async def test_an_account_whose_claims_are_used_up_says_so(customer: Caller) -> None:
    task = await customer.task()
    set_used(customer.service.database, customer, claims=HOSTED.plans["free"].claims_per_hour)

    answer = await explained(customer, task["id"])

    (block,) = blocked(answer)
    assert block["reason"] == "rate_limited"
    assert block["clears_at"] > "2027-01-15T08:59"


async def test_a_plan_that_ran_out_is_named(customer: Caller) -> None:
    task = await customer.task()
    put_on_plan(customer.service.database, customer, "pro", days=-1)
    set_used(customer.service.database, customer, claims=HOSTED.plans["free"].claims_per_hour)

    assert blocked(await explained(customer, task["id"])) == [{"reason": "plan_expired"}]


# --- when a worker last asked


async def test_a_task_nobody_asks_for_shows_it(caller: Caller) -> None:
    task = await caller.task()

    assert "last_asked_at" not in await explained(caller, task["id"])


async def test_the_last_ask_for_the_type_is_told(caller: Caller) -> None:
    task = await caller.task()
    caller.service.clock.advance(1)
    ok(await caller.claim_next())
    caller.service.clock.advance(10)
    ok(await caller.claim_next())
    caller.service.clock.advance(10)
    ok(await caller.claim_next("other"))

    assert (await explained(caller, task["id"]))["last_asked_at"] == "2027-01-15T08:00:11.000Z"


async def test_whoever_waits_asks_all_the_time(caller: Caller) -> None:
    task = await caller.task(scheduledAt="2027-01-15T08:10:00Z")
    waiters = caller.service.service.waiters
    waiting = asyncio.create_task(caller.claim_next(wait_seconds=20))
    await until(lambda: waiters.room.taken == 1 and not waiters.asking)
    caller.service.clock.advance(15)

    assert (await explained(caller, task["id"]))["last_asked_at"] == "2027-01-15T08:00:15.000Z"

    caller.service.service.stop_waiting()
    ok(await waiting)
    assert (await explained(caller, task["id"]))["last_asked_at"] == "2027-01-15T08:00:00.000Z"


async def test_asks_of_another_account_say_nothing(caller: Caller) -> None:
    task = await caller.task()
    other = await stranger(caller.service)
    ok(await other.claim_next())

    assert "last_asked_at" not in await explained(caller, task["id"])


async def test_asks_are_told_to_servers_that_come_later(database: Database) -> None:
    async with running(database) as first:
        account = await first.account()
        caller = Caller(first, account)
        task = await caller.task()
        ok(await caller.claim_next("mail"))
        ok(await caller.claim_next())
        await first.run_job("note_asks")
    async with running(database) as second:
        found = await explained(Caller(second, account), task["id"])

    assert found["last_asked_at"] == "2027-01-15T08:00:00.000Z"


async def test_a_server_that_stops_tells_what_it_was_asked(database: Database) -> None:
    async with running(database) as first:
        account = await first.account()
        caller = Caller(first, account)
        task = await caller.task()
        ok(await caller.claim_next())
    async with running(database) as second:
        found = await explained(Caller(second, account), task["id"])

    assert "last_asked_at" in found


async def test_an_unknown_or_foreign_task_is_not_explained(caller: Caller) -> None:
    other = await stranger(caller.service)
    task = await other.task()

    refused(await caller.read(f"/v1/tasks/{task['id']}/explain"), 404, "task_not_found")
    refused(await caller.read("/v1/tasks/nothing/explain"), 404, "task_not_found")
