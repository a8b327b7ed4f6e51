"""The service on a copy: whoever spoke to the old one goes on as if nothing had happened."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from tests.copying.places import copied, shared
from tests.databases import Databases
from tests.harness import Account, Harness, running
from tests.http.callers import Caller, Json, ok, refused

STRANGE: Final = {"é": "\U0001f9ed\u2028", "big": 10**400, "z": [0, -0.0, 1.5e-7, None]}
REPEATABLE: Final = {"Idempotency-Key": "import-7"}


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """What the callers of the old service hold in their hands."""

    mine: Account
    other: Account
    created: Json
    held: Json
    completed: Json
    overdue: Json
    failed: Json
    lists: dict[str, list[Json]]


async def everything(caller: Caller, path: str) -> list[Json]:
    """Read all pages of a list, without what depends on the request."""
    items: list[Json] = []
    cursor = ""
    while True:
        page = ok(await caller.read(f"{path}&limit=3{cursor}"))
        items += page["items"]
        if not page["pageInfo"]["hasMore"]:
            return items
        cursor = f"&cursor={page['pageInfo']['nextCursor']}"


async def lists(caller: Caller) -> dict[str, list[Json]]:
    """Read the lists of every state and of all."""
    states = ("pending", "claimed", "completed", "dead_letter", "cancelled")
    paths = ["/v1/tasks?type=report", *(f"/v1/tasks?status={state}" for state in states)]
    return {path: await everything(caller, path) for path in paths}


async def lived(service: Harness) -> Left:
    """Leave tasks in every state."""
    mine, other = Caller(service, await service.account()), Caller(service, await service.account())
    overdue = await mine.held(leaseDurationSeconds=60)
    service.clock.advance(100)
    completed = await mine.held()
    ending = {"lease_token": completed["lease_token"], "result": STRANGE}
    ok(await mine.do("complete", completed["task"]["id"], **ending))
    await mine.dead()
    held = await mine.held(payload=STRANGE, leaseDurationSeconds=300)
    cancelled = await mine.task()
    ok(await mine.do("cancel", cancelled["id"]))
    failed = await mine.held()
    giving_back = {"lease_token": failed["lease_token"], "retry_after_seconds": 90}
    ok(await mine.do("fail", failed["task"]["id"], **giving_back))
    created = ok(await mine.create(REPEATABLE, priority=5), 201)
    for _ in range(5):
        await mine.task()
    await other.held()
    return Left(
        mine=mine.account,
        other=other.account,
        created=created,
        held=held,
        completed=completed,
        overdue=overdue,
        failed=failed["task"],
        lists=await lists(mine),
    )


async def moved(
    databases: Databases, url: str, then: Callable[[Harness, Left], Awaitable[Any]]
) -> None:
    """Run a service on a file, copy the file, and go on with a service on the copy."""
    with databases.sqlite() as file:
        async with running(file) as service:
            left = await lived(service)
        outcome = await copied(file.path, url)
        assert outcome.differing == []
        with shared(databases, url) as database:
            database.clock = file.clock
            async with running(database) as service:
                await then(service, left)


async def test_lists_are_as_they_were(databases: Databases, url: str) -> None:
    async def then(service: Harness, left: Left) -> None:
        found = await lists(Caller(service, left.mine))

        assert found == left.lists
        assert all(found.values())

    await moved(databases, url, then)


async def test_a_worker_completes_with_its_old_token(databases: Databases, url: str) -> None:
    async def then(service: Harness, left: Left) -> None:
        mine = Caller(service, left.mine)
        task_id, token = left.held["task"]["id"], left.held["lease_token"]

        ok(await mine.do("heartbeat", task_id, lease_token=token))
        done = ok(await mine.do("complete", task_id, lease_token=token, result=STRANGE))

        assert (done["status"], done["payload"], done["result"]) == ("completed", STRANGE, STRANGE)

    await moved(databases, url, then)


async def test_a_complete_sent_again_is_no_second_one(databases: Databases, url: str) -> None:
    async def then(service: Harness, left: Left) -> None:
        mine = Caller(service, left.mine)
        body = {"lease_token": left.completed["lease_token"], "result": STRANGE}

        again = await mine.do("complete", left.completed["task"]["id"], **body)

        assert ok(again)["status"] == "completed"
        assert await lists(mine) == left.lists

    await moved(databases, url, then)


async def test_a_create_sent_again_is_replayed(databases: Databases, url: str) -> None:
    async def then(service: Harness, left: Left) -> None:
        mine = Caller(service, left.mine)

        again = await mine.create(REPEATABLE, priority=5)

        assert again.headers["idempotent-replayed"] == "true"
        assert ok(again, 201)["id"] == left.created["id"]
        refused(await mine.create(REPEATABLE, priority=6), 409, "idempotency_conflict")

    await moved(databases, url, then)


async def test_claims_go_on_in_order_and_take_over_what_is_overdue(
    databases: Databases, url: str
) -> None:
    async def then(service: Harness, left: Left) -> None:
        mine = Caller(service, left.mine)

        first = ok(await mine.claim_next())
        claimed = [first["task"]["id"]]
        while (task := ok(await mine.claim_next())["task"]) is not None:
            claimed.append(task["id"])

        # The highest priority, the five that wait, the one whose worker is gone.
        assert claimed[0] == left.created["id"]
        assert len(claimed) == 7
        assert left.overdue["task"]["id"] in claimed
        service.clock.advance(90)
        assert ok(await mine.do("claim", left.failed["id"]))["task"]["attemptCount"] == 2

    await moved(databases, url, then)


async def test_keys_open_their_own_account_and_no_other(databases: Databases, url: str) -> None:
    async def then(service: Harness, left: Left) -> None:
        other = Caller(service, left.other)

        assert len(await everything(other, "/v1/tasks?status=claimed")) == 1
        refused(await other.show(left.held["task"]["id"]), 404, "task_not_found")

    await moved(databases, url, then)
