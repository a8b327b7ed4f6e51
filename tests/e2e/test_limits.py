"""Every exact limit under fifty requests at once that three servers on one database share."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

import httpx2
import pytest

from tests.databases import Databases
from tests.e2e.fleet import HOST, Caller, Fleet, calling, fleet_on
from tests.races import (
    EACH,
    NAMED,
    QUOTA,
    RACERS,
    RACES,
    RATE,
    TYPE,
    Ask,
    Race,
    Result,
    new_task,
    result_of,
)

REPLICAS: Final = 3
WIDE: Final = 1_000_000
# Each so far from the others that a race meets its own alone.
LIMITS: Final = {
    "tasks_per_cycle": 2_000,
    "creates_per_hour": 1_000,
    "claims_per_hour": 1_000,
    "max_workers": 200,
}
FEW_TASKS: Final = RACERS - 1
PLANS: Final = {
    "free": LIMITS,
    "basic": {**dict.fromkeys(LIMITS, WIDE), "tasks_per_cycle": FEW_TASKS},
    "pro": dict.fromkeys(LIMITS, WIDE),
}
COUNTER_OF: Final = {
    "tasks_per_cycle": "tasks_in_cycle",
    "creates_per_hour": "creates_in_window",
    "claims_per_hour": "claims_in_window",
}
LONG: Final = {"leaseDurationSeconds": 3_600}
BATCH: Final = 100
AT_ONCE: Final = 50
CYCLE: Final = 30 * 24 * 3_600_000
OWNED: Final = "select count(*) from tasks where account_id = $1"
HELD: Final = "select count(*) from tasks where account_id = $1 and status = 'claimed'"
NOW: Final = "select floor(extract(epoch from clock_timestamp()) * 1000)::bigint"
ENDED: Final = "update accounts set plan = 'pro', plan_expires_at = $2::bigint where id = $1"
BEGAN: Final = "update accounts set cycle_started_at = $2::bigint where id = $1"
ACCOUNT: Final = "select * from accounts where id = $1"


def plan(plan_id: str) -> str:
    """Write a plan as an operator does."""
    rows = [f"{limit} = {value}" for limit, value in PLANS[plan_id].items()]
    head = [f"[plans.{plan_id}]", f'name = "{plan_id}"', f"price_usd = {int(plan_id != 'free')}"]
    return "\n".join([*head, *rows, "retention_days = 30", ""])


@pytest.fixture(scope="module")
def fleet(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    plans = tmp_path_factory.mktemp("plans") / "plans.toml"
    plans.write_text("\n".join(map(plan, PLANS)), "utf-8")
    with databases.postgres.made() as database:
        # An address may register ten times an hour: each account has one of its own.
        flags = ("--plans", str(plans), "--trusted-proxies", HOST)
        with fleet_on(database, REPLICAS, *flags) as fleet:
            yield fleet
        assert fleet.complaints() == []


def named(race: Race) -> str:
    return race.name


async def pending(caller: Caller, type_name: str, count: int) -> list[str]:
    """Make tasks, many at a time."""
    made: list[str] = []
    while len(made) < count:
        some = min(BATCH, count - len(made))
        body = {"items": [{**new_task(type_name), **LONG}] * some}
        answer = await caller.ask("POST", "/v1/tasks/batch", body)
        made.extend(item["body"]["id"] for item in answer.json()["items"])
    return made


async def hold(caller: Caller, count: int) -> None:
    """Claim so many tasks of a type of their own."""
    await pending(caller, "held", count)
    for first in range(0, count, AT_ONCE):
        most = min(AT_ONCE, count - first)
        answer = await caller.claim(type="held", max_tasks=most)
        assert len(answer.json()["tasks"]) == most


async def leave(fleet: Fleet, caller: Caller, race: Race, room: int) -> None:
    """Use the limit of a race up, but for so many tasks."""
    if race.limit == "max_workers":
        await hold(caller, LIMITS[race.limit] - room)
    else:
        use_up(fleet, caller, COUNTER_OF[race.limit], LIMITS[race.limit] - room)


def use_up(fleet: Fleet, caller: Caller, counter: str, used: int) -> None:
    fleet.fetch(
        f"update accounts set {counter} = $2::bigint where id = $1",
        caller.account_id,
        used,
    )


async def ready(caller: Caller, race: Race) -> list[str]:
    """Make the tasks that a race is for; gives those that can be named."""
    if not race.of_claims:
        return []
    await pending(caller, TYPE, race.wanted + EACH)
    return await pending(caller, NAMED, RACERS)


async def run(caller: Caller, asks: Sequence[Ask]) -> Result:
    """Let all of them ask at once, each another server than the one before."""
    return result_of(await asyncio.gather(*(caller.ask("POST", path, body) for path, body in asks)))


async def one_more(caller: Caller, race: Race) -> Result:
    """Ask once more, alone."""
    if race.of_claims:
        return await run(caller, [("/v1/tasks/claim", {"type": TYPE})])
    return await run(caller, [("/v1/tasks", new_task())])


@pytest.mark.parametrize("more", [-1, 0, 1], ids=["one-too-few", "enough", "one-to-spare"])
@pytest.mark.parametrize("race", RACES, ids=named)
async def test_fifty_at_once_get_exactly_what_the_limit_leaves(
    race: Race, more: int, fleet: Fleet
) -> None:
    sql = HELD if race.of_claims else OWNED
    async with calling(fleet) as caller:
        names = await ready(caller, race)
        await leave(fleet, caller, race, race.wanted + more)
        ((before,),) = fleet.fetch(sql, caller.account_id)

        result = await run(caller, race.asks(names))
        ((after,),) = fleet.fetch(sql, caller.account_id)
        last = [await one_more(caller, race) for _ in range(REPLICAS)]

    assert result.granted == len(result.tasks) == after - before == race.wanted + min(more, 0)
    assert set(result.refused) <= {race.refusal}
    # What is left over is got once, whichever server is asked.
    assert [one.granted for one in last] == ([1, 0, 0] if more > 0 else [0, 0, 0])
    assert all(set(one.refused) <= {race.refusal} for one in last)


@pytest.mark.parametrize("race", [one for one in RACES if one.refusal == QUOTA], ids=named)
async def test_a_cycle_that_begins_at_all_servers_at_once_is_one_cycle(
    race: Race, fleet: Fleet
) -> None:
    async with calling(fleet, "basic") as caller:
        use_up(fleet, caller, "tasks_in_cycle", FEW_TASKS)
        full = await run(caller, race.asks([]))
        ((now,),) = fleet.fetch(NOW)
        fleet.fetch(BEGAN, caller.account_id, now - CYCLE)

        result = await run(caller, race.asks([]))

        status = (await caller.ask("GET", "/v1/billing/status")).json()
    assert (full.granted, set(full.refused)) == (0, {QUOTA})
    assert result.granted == status["tasksCreatedThisCycle"] == FEW_TASKS
    assert result.refused == {QUOTA: race.wanted - FEW_TASKS}


@pytest.mark.parametrize("race", [one for one in RACES if one.wanted == RACERS], ids=named)
async def test_every_server_tells_what_the_plan_that_ran_out_allowed(
    race: Race, fleet: Fleet
) -> None:
    async with calling(fleet) as caller:
        names = await ready(caller, race)
        await leave(fleet, caller, race, RACERS - 20)
        ((now,),) = fleet.fetch(NOW)
        fleet.fetch(ENDED, caller.account_id, now)

        result = await run(caller, race.asks(names))

    assert result.granted == RACERS - 20
    assert result.refused == {(402, "plan_expired"): 20}


async def test_creates_repeated_at_every_server_cost_nothing(fleet: Fleet) -> None:
    keyed = {**new_task(), "idempotencyKey": "once"}
    batch = {"items": [{**new_task(), "idempotencyKey": f"k{n}"} for n in range(EACH)]}
    asks: list[Ask] = [("/v1/tasks", keyed), ("/v1/tasks/batch", batch)]
    async with calling(fleet) as caller:
        first = await run(caller, asks)
        use_up(fleet, caller, "creates_in_window", LIMITS["creates_per_hour"])
        use_up(fleet, caller, "tasks_in_cycle", LIMITS["tasks_per_cycle"])
        before = fleet.fetch(ACCOUNT, caller.account_id)

        again = await run(caller, asks * (RACERS // 2))
        new = await run(caller, [("/v1/tasks", new_task())])

        assert fleet.fetch(ACCOUNT, caller.account_id) == before
        assert fleet.fetch(OWNED, caller.account_id) == [(1 + EACH,)]
    assert first.granted == 1 + EACH
    assert again.tasks == first.tasks
    # A repeat that meets another one at its server may be asked to come back.
    assert set(again.refused) <= {(503, "idempotency_in_flight")}
    assert again.granted + again.refused.total() == RACERS // 2 * (1 + EACH)
    assert new.refused == {RATE: 1}


async def test_claims_and_ends_repeated_at_every_server_cost_nothing(fleet: Fleet) -> None:
    async with calling(fleet) as caller:
        await pending(caller, TYPE, EACH + 2)
        (ended,) = (await caller.claim(max_tasks=1)).json()["tasks"]

        async def claim() -> httpx2.Response:
            body = {"type": TYPE, "max_tasks": EACH}
            return await caller.ask("POST", "/v1/tasks/claim", body, idempotency_key="k")

        async def end() -> httpx2.Response:
            return await caller.verb("complete", ended, claim_next={"type": TYPE})

        claimed, followed = await claim(), (await end()).json()
        await hold(caller, LIMITS["max_workers"] - EACH - 1)
        use_up(fleet, caller, "claims_in_window", LIMITS["claims_per_hour"])
        before = fleet.fetch(ACCOUNT, caller.account_id)

        again = await asyncio.gather(*(claim() for _ in range(RACERS // 2)))
        ends = await asyncio.gather(*(end() for _ in range(RACERS // 2)))

        assert fleet.fetch(ACCOUNT, caller.account_id) == before
        assert fleet.fetch(HELD, caller.account_id) == [(LIMITS["max_workers"],)]
    assert [one.json()["tasks"] for one in again] == [claimed.json()["tasks"]] * (RACERS // 2)
    for one in ends:
        assert one.json()["next_task"]["id"] == followed["next_task"]["id"]
        assert one.json()["next_lease_token"] == followed["next_lease_token"]
