"""Repeats cost nothing: with every limit used up they are answered as before, and count nowhere."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec
import pytest

from tests.databases import Database
from tests.harness import Harness
from tests.http.accounts import set_tasks_in_cycle, set_used
from tests.http.batching import item_of, together
from tests.http.callers import TYPE, Caller, Json, Response, limit_left, refused

QUOTA: Final = 200
AN_HOUR: Final = 120
AT_ONCE: Final = 50

# Asks for the same, however often.
Again = Callable[[], Awaitable[Response]]
Prepared = Callable[[Caller], Awaitable[Again]]


async def create(caller: Caller) -> Again:
    return lambda: caller.create(idempotencyKey="k", payload={"page": 7})


async def creates(caller: Caller) -> Again:
    items: list[Json] = [
        {"type": TYPE, "payload": {}, "idempotencyKey": f"k{number}"} for number in range(20)
    ]
    return lambda: together(caller, "create", items)


async def claim(caller: Caller) -> Again:
    await caller.task()
    key = {"Idempotency-Key": "k"}
    return lambda: caller.send("POST", "/v1/tasks/claim", {"type": TYPE}, key)


async def claim_by_id(caller: Caller) -> Again:
    task = await caller.task()
    key = {"Idempotency-Key": "k"}
    return lambda: caller.send("POST", f"/v1/tasks/{task['id']}/claim", {}, key)


async def claim_several(caller: Caller) -> Again:
    await caller.task()
    await caller.task()
    key, body = {"Idempotency-Key": "k"}, {"type": TYPE, "max_tasks": 2}
    return lambda: caller.send("POST", "/v1/tasks/claim", body, key)


async def complete(caller: Caller) -> Again:
    held = await caller.held()
    token = held["lease_token"]
    return lambda: caller.do("complete", held["task"]["id"], lease_token=token, result={"n": 1})


async def complete_together(caller: Caller) -> Again:
    items = [item_of(await caller.held()) for _ in range(2)]
    return lambda: together(caller, "complete", items)


async def complete_and_claim(caller: Caller) -> Again:
    held = await caller.held()
    await caller.task()
    token, following = held["lease_token"], {"type": TYPE}
    return lambda: caller.do(
        "complete", held["task"]["id"], lease_token=token, claim_next=following
    )


async def fail_and_claim(caller: Caller) -> Again:
    held = await caller.held(maxAttempts=1)
    await caller.task()
    token, following = held["lease_token"], {"type": TYPE}
    return lambda: caller.do("fail", held["task"]["id"], lease_token=token, claim_next=following)


WAYS: Final[Mapping[str, Prepared]] = {
    one.__name__: one
    for one in (
        *(create, creates, claim, claim_by_id, claim_several),
        *(complete, complete_together, complete_and_claim, fail_and_claim),
    )
}
RATED: Final = ("create", "creates", "claim", "claim_by_id", "claim_several")


class Counters(msgspec.Struct, frozen=True):
    """The whole of what an account has used."""

    account: list[tuple[object, ...]]
    tasks: list[tuple[object, ...]]


def counters(caller: Caller) -> Counters:
    fetch, account_id = caller.service.database.fetch, caller.account.id
    return Counters(
        fetch("select * from accounts where id = $1", account_id),
        fetch("select * from tasks where account_id = $1 order by id", account_id),
    )


async def use_everything_up(caller: Caller, database: Database) -> None:
    """Leave room for no lease, no claim, no create and no task."""
    for _ in range(2):
        await caller.task(type="filler")
        await caller.claim_next("filler")
    set_used(database, caller, creates=AN_HOUR, claims=AN_HOUR)
    set_tasks_in_cycle(database, caller, QUOTA)


def plain(response: Response) -> Json:
    """Give an answer without what a repeat may say otherwise."""
    assert response.is_success, response.text
    body: Json = response.json()
    plain = without_guidance(body)
    for one in plain.get("items", ()):
        assert one["status"] < 300, response.text
        one.pop("replayed", None)
        one["body"] = without_guidance(one["body"])
    return plain


def without_guidance(body: Json) -> Json:
    """Leave out what depends on the moment: guidance, and a claim's own lists of it."""
    return {name: value for name, value in body.items() if name != "agent_contract"}


@pytest.mark.parametrize("way", WAYS)
async def test_a_repeat_counts_nowhere_though_everything_is_used_up(
    way: str, customer: Caller, database: Database
) -> None:
    ask = await WAYS[way](customer)
    first = await ask()
    await use_everything_up(customer, database)
    before = counters(customer)

    again = await asyncio.gather(*(ask() for _ in range(AT_ONCE)))

    assert counters(customer) == before
    assert [plain(one) for one in again] == [plain(first)] * AT_ONCE
    if way in RATED:
        assert {limit_left(one)[1] for one in again} == {0}
    refused(await customer.create(), 429, "rate_limited")
    refused(await customer.claim_next(), 429, "rate_limited")


@pytest.mark.parametrize("way", WAYS)
async def test_fifty_first_requests_at_once_count_as_one(way: str, customer: Caller) -> None:
    ask = await WAYS[way](customer)
    before = used(customer)
    once = await costs(way, customer.service)

    answers = await asyncio.gather(*(ask() for _ in range(AT_ONCE)))

    counted = tuple(now - then for now, then in zip(used(customer), before, strict=True))
    assert counted == once
    assert any(answer.is_success for answer in answers)


async def costs(way: str, service: Harness) -> tuple[int, ...]:
    """Say what the same costs another account that asks once."""
    other = Caller(service, await service.account())
    ask = await WAYS[way](other)
    before = used(other)
    plain(await ask())
    return tuple(now - then for now, then in zip(used(other), before, strict=True))


def used(caller: Caller) -> tuple[int, ...]:
    sql = "select tasks_in_cycle, creates_in_window, claims_in_window from accounts where id = $1"
    ((tasks, creates_, claims),) = caller.service.database.fetch(sql, caller.account.id)
    return int(tasks), int(creates_), int(claims)
