"""Every exact limit under fifty requests at once: one below it, at it, and one above."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal

import httpx2
import pytest
from msgspec.structs import replace

from orchestrion.core.instants import DAY, HOUR, Instant
from orchestrion.core.plans import Catalogue, Plan
from orchestrion.service import ServiceOptions
from tests.databases import Database
from tests.harness import running
from tests.http.accounts import put_on_plan, set_tasks_in_cycle, set_used
from tests.http.callers import Caller, Json, ok
from tests.races import EACH, NAMED, RACERS, RACES, TYPE, Race, Result, new_task, result_of

WIDE = Plan(
    name="Wide",
    price_usd=Decimal(0),
    max_workers=1_000,
    tasks_per_cycle=1_000_000,
    claims_per_hour=1_000_000,
    creates_per_hour=1_000_000,
    retention_days=90,
)
CYCLE = 30 * DAY
BATCH = 100
TURNS = {"tasks_per_cycle": CYCLE, "creates_per_hour": HOUR, "claims_per_hour": HOUR}
PLAIN = [race for race in RACES if race.wanted == RACERS and not race.name.endswith("by-id")]


def named(race: Race) -> str:
    return race.name


@asynccontextmanager
async def called(database: Database, **plans: Plan) -> AsyncIterator[Caller]:
    """Serve these plans to one account, which is on the free one."""
    async with running(database, ServiceOptions(catalogue=Catalogue(plans=plans))) as service:
        yield Caller(service, await service.account()).unchecked()


def limited(race: Race, limit: int) -> Plan:
    return replace(WIDE, **{race.limit: limit})


async def pending(caller: Caller, type_name: str, count: int) -> list[str]:
    """Make tasks, many at a time."""
    made: list[str] = []
    while len(made) < count:
        some = min(BATCH, count - len(made))
        answer = await caller.send(
            "POST", "/v1/tasks/batch", {"items": [new_task(type_name)] * some}
        )
        made.extend(item["body"]["id"] for item in ok(answer)["items"])
    return made


async def ready(caller: Caller, race: Race) -> list[str]:
    """Make the tasks that a race is for; gives those that can be named."""
    if not race.of_claims:
        return []
    await pending(caller, TYPE, race.wanted + EACH)
    return await pending(caller, NAMED, RACERS)


async def run(caller: Caller, race: Race, names: Sequence[str]) -> Result:
    """Let all of them ask at once."""
    asks = race.asks(names)
    return result_of(await asyncio.gather(*(post(caller, path, body) for path, body in asks)))


async def post(caller: Caller, path: str, body: object) -> httpx2.Response:
    return await caller.client.post(path, json=body, headers=caller.account.headers)


async def one_more(caller: Caller, race: Race) -> Result:
    """Ask once more, alone."""
    path = "/v1/tasks/claim" if race.of_claims else "/v1/tasks"
    body = {"type": TYPE} if race.of_claims else new_task()
    return result_of([await post(caller, path, body)])


@pytest.mark.parametrize("more", [-1, 0, 1], ids=["one-too-few", "enough", "one-to-spare"])
@pytest.mark.parametrize("race", RACES, ids=named)
async def test_fifty_at_once_get_exactly_what_the_limit_leaves(
    race: Race, more: int, database: Database
) -> None:
    limit = race.wanted + more
    async with called(database, free=limited(race, limit)) as caller:
        names = await ready(caller, race)

        result = await run(caller, race, names)
        after = await one_more(caller, race)

    assert result.granted == len(result.tasks) == min(race.wanted, limit)
    assert set(result.refused) <= {race.refusal}
    if race.wanted == RACERS:
        assert sum(result.refused.values()) == RACERS - result.granted
    assert after.granted == (1 if more > 0 else 0)
    assert set(after.refused) == (set() if more > 0 else {race.refusal})


@pytest.mark.parametrize("race", [race for race in PLAIN if race.limit in TURNS], ids=named)
@pytest.mark.parametrize("limit", [RACERS - 1, RACERS, RACERS + 1])
async def test_fifty_at_once_share_what_has_just_begun_anew(
    race: Race, limit: int, database: Database
) -> None:
    async with called(database, free=limited(race, limit)) as caller:
        clock, began = caller.service.clock, caller.service.clock.now()
        names = await ready(caller, race)
        set_used(database, caller, creates=limit, claims=limit)
        set_tasks_in_cycle(database, caller, limit)

        clock.set(Instant(began + TURNS[race.limit] - 1))
        before = await run(caller, race, names)
        clock.set(Instant(began + TURNS[race.limit]))
        after = await run(caller, race, names)

    assert (before.granted, before.refused) == (0, {race.refusal: RACERS})
    assert after.granted == min(RACERS, limit)
    assert after.refused.total() == max(0, RACERS - limit)


@pytest.mark.parametrize("race", PLAIN, ids=named)
async def test_fifty_at_once_meet_the_end_of_a_plan(race: Race, database: Database) -> None:
    paid, free = limited(race, RACERS), limited(race, RACERS - 20)
    async with called(database, free=free, pro=paid) as caller:
        names = await ready(caller, race)
        put_on_plan(database, caller, "pro", days=-1)

        result = await run(caller, race, names)

    assert result.granted == RACERS - 20
    assert result.refused == {(402, "plan_expired"): 20}


@pytest.mark.parametrize("race", PLAIN, ids=named)
async def test_who_used_up_more_than_the_plan_that_ran_out_had_is_not_told_of_it(
    race: Race, database: Database
) -> None:
    paid, free = limited(race, RACERS - 1), limited(race, RACERS - 20)
    async with called(database, free=free, pro=paid, agency=limited(race, RACERS)) as caller:
        names = await ready(caller, race)
        put_on_plan(database, caller, "agency")
        granted = await run(caller, race, names)
        put_on_plan(database, caller, "pro", days=-1)

        after = await one_more(caller, race)

    assert granted.granted == RACERS
    assert after.refused == {race.refusal: 1}


@pytest.mark.parametrize("more", [-1, 0, 1], ids=["one-too-few", "enough", "one-to-spare"])
async def test_fifty_that_take_the_next_along_get_exactly_what_the_limit_leaves(
    more: int, database: Database
) -> None:
    plan = replace(WIDE, claims_per_hour=2 * RACERS + more, max_workers=RACERS)
    async with called(database, free=plan) as caller:
        await pending(caller, TYPE, 2 * RACERS + 1)
        held = ok(await caller.claim_next(max_tasks=RACERS))["tasks"]

        answers = await asyncio.gather(*(take_the_next(caller, lease) for lease in held))
        after = ok(await caller.read("/v1/tasks?status=claimed&limit=100"))["items"]

    ends = [answer.json() for answer in answers]
    assert {one["status"] for one in ends} == {"completed"}
    following = [one["next_task"]["id"] for one in ends if one["next_task"]]
    assert len(set(following)) == len(following) == len(after) == RACERS + min(more, 0)
    assert [one["next_error"] for one in ends if not one["next_task"]] == ["rate_limited"] * (
        RACERS - len(following)
    )


async def take_the_next(caller: Caller, lease: Json) -> httpx2.Response:
    body = {"lease_token": lease["lease_token"], "claim_next": {"type": TYPE}}
    return await post(caller, f"/v1/tasks/{lease['task']['id']}/complete", body)
