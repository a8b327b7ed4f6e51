"""POST /v1/tasks/claim with max_tasks: several leases in one answer."""

import pytest

from orchestrion.core.limits import CLAIM_TASKS_MAX
from tests.databases import Database
from tests.http.accounts import put_on_plan, set_used
from tests.http.batching import claimed_items, item_of, statuses, together
from tests.http.callers import Caller, Json, limit_left, ok, refused


async def created(caller: Caller, count: int, **fields: object) -> list[str]:
    item: Json = {"type": "report", "payload": {}, **fields}
    answer = ok(await together(caller, "create", [item] * count))
    return [one["body"]["id"] for one in answer["items"]]


def claimed_ids(claim: Json) -> list[str]:
    return [one["task"]["id"] for one in claim["tasks"]]


async def test_the_first_stands_as_task_and_all_of_them_as_tasks(caller: Caller) -> None:
    low = await created(caller, 2)
    high = await created(caller, 1, priority=9)

    claim = ok(await caller.claim_next(max_tasks=CLAIM_TASKS_MAX, worker_id="worker-7"))

    assert claimed_ids(claim) == high + low
    assert claim["tasks"][0] == {"task": claim["task"], "lease_token": claim["lease_token"]}
    assert len({one["lease_token"] for one in claim["tasks"]}) == 3
    assert {one["task"]["claimedBy"] for one in claim["tasks"]} == {"worker-7"}
    assert claim["agent_contract"]["task_claimable"] is True


async def test_without_max_tasks_the_answer_is_as_ever(caller: Caller) -> None:
    await created(caller, 2)

    claim = ok(await caller.claim_next())

    assert set(claim) == {"task", "lease_token", "agent_contract"}
    assert len(ok(await caller.claim_next(max_tasks=1))["tasks"]) == 1


async def test_a_claim_of_several_may_find_nothing(caller: Caller) -> None:
    claim = ok(await caller.claim_next(max_tasks=5))

    assert (claim["task"], claim["tasks"]) == (None, [])


@pytest.mark.parametrize("count", [0, CLAIM_TASKS_MAX + 1, "2", None, 1.5])
async def test_max_tasks_has_bounds(count: object, caller: Caller) -> None:
    refused(await caller.claim_next(max_tasks=count), 400, "invalid_request")


async def test_each_task_counts_against_the_hour(customer: Caller, database: Database) -> None:
    put_on_plan(database, customer, "agency")
    await created(customer, 5)
    set_used(database, customer, claims=14_997)

    response = await customer.claim_next(max_tasks=5)

    assert len(ok(response)["tasks"]) == 3
    assert limit_left(response)[:2] == ("claims", 0)
    refused(await customer.claim_next(max_tasks=5), 429, "rate_limited")


async def test_each_lease_counts_against_the_workers(customer: Caller) -> None:
    await created(customer, 5)

    claim = ok(await customer.claim_next(max_tasks=5))

    assert len(claim["tasks"]) == 2
    body = refused(await customer.claim_next(max_tasks=5), 429, "max_workers_reached")
    assert body["billing_context"]["workers_in_use"] == 2


async def test_a_claim_of_several_can_be_repeated(caller: Caller) -> None:
    low = await created(caller, 2)
    high = await created(caller, 3, priority=9)
    key = {"Idempotency-Key": "k"}
    body = {"type": "report", "max_tasks": 3}

    first = await caller.send("POST", "/v1/tasks/claim", body, key)
    again = await caller.send("POST", "/v1/tasks/claim", body, key)
    other = await caller.send("POST", "/v1/tasks/claim", {**body, "max_tasks": 2}, key)

    assert ok(again)["tasks"] == ok(first)["tasks"]
    assert again.headers["idempotent-replayed"] == "true"
    refused(other, 409, "idempotency_conflict")
    assert claimed_ids(ok(again)) == high
    assert claimed_ids(ok(await caller.claim_next(max_tasks=5))) == low


async def test_the_tasks_of_a_claim_go_their_own_ways(caller: Caller) -> None:
    await created(caller, 3)
    claim = ok(await caller.claim_next(max_tasks=3))
    done, failed, late = claimed_items(claim)

    ok(await caller.do("complete", done["id"], lease_token=done["lease_token"]))
    ok(await caller.do("fail", failed["id"], lease_token=failed["lease_token"]))
    caller.service.clock.advance(300)
    answer = await together(caller, "heartbeat", [late, item_of(claim)])

    assert statuses(answer) == [409, 409]
    again = ok(await caller.claim_next(max_tasks=3))
    assert sorted(claimed_ids(again)) == sorted([failed["id"], late["id"]])
