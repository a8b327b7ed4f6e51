"""GET /v1/stats: how many tasks there are, since when they wait, and what happens to them."""

import asyncio
from typing import Any

from orchestrion.core.limits import STATS_SECONDS, STATS_TYPES_MAX
from tests.http.callers import Caller, advice, limit_left, ok, stranger

NONE = {"pending": 0, "claimed": 0, "completed": 0, "dead_letter": 0, "cancelled": 0}
HOUR_SECONDS = 3_600


async def stats(caller: Caller) -> dict[str, Any]:
    """Ask when nothing is remembered of the last time."""
    caller.service.clock.advance(STATS_SECONDS)
    return ok(await caller.read("/v1/stats"))


def rates(answer: dict[str, Any]) -> dict[str, float]:
    """Give the rates that are not nothing, by the first word of their names."""
    assert answer["rates"]["windowSeconds"] == 60
    return {
        name.removesuffix("PerMinute"): rate
        for name, rate in answer["rates"].items()
        if rate and name != "windowSeconds"
    }


async def test_an_account_without_tasks_is_advised_to_create_one(caller: Caller) -> None:
    answer = await stats(caller)

    assert answer["counts"] == NONE
    assert (answer["oldestPendingAt"], answer["oldestDueAt"]) == (None, None)
    assert answer["nextLeaseExpiresAt"] is None
    assert rates(answer) == {}
    assert (answer["types"], answer["typesTruncated"]) == ([], False)
    assert advice(answer) == ["create_task", "claim_task"]


async def test_tasks_are_counted_by_state_and_type(caller: Caller) -> None:
    held = await caller.held()
    ok(await caller.do("complete", held["task"]["id"], lease_token=held["lease_token"]))
    await caller.held()
    await caller.dead()
    await caller.task(type="other")
    ok(await caller.do("cancel", (await caller.task(type="other"))["id"]))

    answer = await stats(caller)

    assert answer["counts"] == {
        "pending": 1,
        "claimed": 1,
        "completed": 1,
        "dead_letter": 1,
        "cancelled": 1,
    }
    report = {**NONE, "claimed": 1, "completed": 1, "dead_letter": 1}
    assert [(one["type"], one["counts"]) for one in answer["types"]] == [
        ("report", report),
        ("other", {**NONE, "pending": 1, "cancelled": 1}),
    ]


async def test_what_waits_longest_is_told(caller: Caller) -> None:
    later = await caller.task(type="later", scheduledAt="2027-01-15T08:10:00Z")
    caller.service.clock.advance(1)
    first = await caller.task()
    caller.service.clock.advance(1)
    await caller.task()
    held = await caller.held(type="held")

    answer = await stats(caller)

    assert answer["oldestPendingAt"] == later["createdAt"]
    assert answer["oldestDueAt"] == first["createdAt"]
    assert answer["nextLeaseExpiresAt"] == held["task"]["leaseExpiresAt"]
    due = {one["type"]: one["oldestDueAt"] for one in answer["types"]}
    assert due == {"report": first["createdAt"], "later": None, "held": None}
    assert advice(answer) == ["claim_task", "create_task"]


async def test_what_is_scheduled_is_due_once_its_time_has_come(caller: Caller) -> None:
    await caller.task(scheduledAt="2027-01-15T08:10:00Z")
    before = await stats(caller)
    caller.service.clock.advance(601)
    after = await stats(caller)

    assert advice(before) == ["create_task", "claim_task"]
    assert before["oldestDueAt"] is None
    assert after["oldestDueAt"] == "2027-01-15T08:10:00.000Z"


async def test_a_task_whose_lease_has_ended_waits_since_then(caller: Caller) -> None:
    held = await caller.held(leaseDurationSeconds=30)
    caller.service.clock.advance(31)

    answer = await stats(caller)

    assert answer["oldestDueAt"] == held["task"]["leaseExpiresAt"]
    assert answer["nextLeaseExpiresAt"] is None
    assert advice(answer) == ["claim_task", "create_task"]


async def test_rates_tell_what_happened_in_the_last_minute(caller: Caller) -> None:
    await caller.dead()
    held = await caller.held(type="other")
    ok(await caller.do("complete", held["task"]["id"], lease_token=held["lease_token"]))

    answer = await stats(caller)

    happened = {"created": 2, "claimed": 2, "completed": 1, "failed": 1, "deadLettered": 1}
    assert rates(answer) == happened
    by_type = {one["type"]: rates(one) for one in answer["types"]}
    assert by_type == {
        "report": {"created": 1, "claimed": 1, "failed": 1, "deadLettered": 1},
        "other": {"created": 1, "claimed": 1, "completed": 1},
    }


async def test_rates_fade_and_end(caller: Caller) -> None:
    clock = caller.service.clock
    clock.advance(60 - clock.now() / 1_000 % 60)
    await caller.task()
    await caller.task()

    clock.advance(60 + 15 - STATS_SECONDS)
    fading = await stats(caller)
    clock.advance(60)
    over = await stats(caller)

    assert rates(fading) == {"created": 1.5}
    assert rates(over) == {}
    assert over["counts"]["pending"] == 2


async def test_who_asks_again_within_two_seconds_gets_the_same_numbers(caller: Caller) -> None:
    first = await stats(caller)
    await caller.task()
    caller.service.clock.advance(STATS_SECONDS - 0.001)
    second = ok(await caller.read("/v1/stats"))
    caller.service.clock.advance(0.001)
    third = ok(await caller.read("/v1/stats"))

    assert second["asOf"] == first["asOf"]
    assert (second["counts"], third["counts"]) == (NONE, {**NONE, "pending": 1})
    assert first["request_id"] != second["request_id"]


async def test_all_who_ask_at_once_get_one_answer(caller: Caller) -> None:
    await caller.task()

    answers = await asyncio.gather(*(caller.read("/v1/stats") for _ in range(20)))

    bodies = [ok(one) for one in answers]
    assert len({one["asOf"] for one in bodies}) == 1
    assert all(one["counts"]["pending"] == 1 for one in bodies)


async def test_accounts_are_counted_apart(caller: Caller) -> None:
    other = await stranger(caller.service)
    await caller.task()

    assert (await stats(other))["counts"] == NONE
    assert (await stats(caller))["counts"] == {**NONE, "pending": 1}


async def test_it_counts_as_a_read(customer: Caller) -> None:
    first = await customer.read("/v1/stats")
    second = await customer.read("/v1/tasks")

    assert limit_left(first)[0] == "reads"
    assert limit_left(second)[1] == limit_left(first)[1] - 1


async def test_the_busiest_types_are_shown(caller: Caller) -> None:
    caller = caller.unchecked()
    for number in range(STATS_TYPES_MAX + 1):
        await caller.task(type=f"type-{number:03}")
    await caller.task(type="type-100")

    answer = await stats(caller)

    assert [one["type"] for one in answer["types"]] == [
        "type-100",
        *(f"type-{number:03}" for number in range(STATS_TYPES_MAX - 1)),
    ]
    assert answer["typesTruncated"] is True
    assert answer["counts"]["pending"] == STATS_TYPES_MAX + 2
    assert rates(answer) == {"created": STATS_TYPES_MAX + 2}


async def test_a_type_whose_last_task_was_purged_is_not_shown(caller: Caller) -> None:
    await caller.task(type="lasting")
    ok(await caller.do("cancel", (await caller.task())["id"]))
    caller.service.clock.advance(400 * 24 * HOUR_SECONDS)
    await caller.service.run_job("purge_finished")

    answer = await stats(caller)

    assert [one["type"] for one in answer["types"]] == ["lasting"]
    assert answer["counts"] == {**NONE, "pending": 1}
    kept = caller.service.database.fetch("select type, pending from task_counts order by type")
    assert [tuple(row) for row in kept] == [("", 1), ("lasting", 1)]


async def test_minutes_are_forgotten_after_an_hour(caller: Caller) -> None:
    async def kept() -> int:
        await caller.service.run_job("purge_task_minutes")
        return len(caller.service.database.fetch("select type from task_minutes"))

    await caller.task()
    caller.service.clock.advance(HOUR_SECONDS - 61)
    at_first = await kept()
    caller.service.clock.advance(62)
    in_the_end = await kept()

    assert (at_first, in_the_end) == (2, 0)
