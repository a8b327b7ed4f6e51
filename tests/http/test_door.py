"""A service with more requests in hand than it can keep up with: whom it turns away, and how."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from orchestrion.engine.door import DoorLimits
from orchestrion.service import ServiceOptions
from tests.databases import Database, Trouble
from tests.harness import running
from tests.http.callers import Caller, Response, ok, recommended, refused

LIMITS = DoorLimits(list_max=2, create_max=3, claim_max=4, get_max=5)
TASKS = 6
TURNS_MAX = 100_000


class Jam:
    """Holders of leases whose heartbeats wait for a commit that does not end."""

    def __init__(self, caller: Caller, trouble: Trouble, tasks: list[str]) -> None:
        self.caller = caller
        self.tasks = tasks
        self.beats: list[asyncio.Task[Response]] = []
        self._trouble = trouble

    async def begin(self) -> None:
        """Have six requests in hand for longer than patience lasts."""
        self._trouble.hold()
        self.beats = [
            asyncio.create_task(self.caller.do("heartbeat", task_id)) for task_id in self.tasks
        ]
        await self._trouble.held()
        self.caller.service.clock.advance(LIMITS.patience_seconds)

    async def end(self) -> None:
        """Let the commit end."""
        self._trouble.release()
        for beat in await asyncio.gather(*self.beats):
            ok(beat)


@pytest.fixture
async def jam(database: Database, trouble: Trouble) -> AsyncIterator[Jam]:
    """Six tasks that are held, at a service that takes few requests at a time."""
    async with running(database, ServiceOptions(door=LIMITS)) as service:
        caller = Caller(service, await service.account())
        held = [await caller.held(leaseDurationSeconds=300) for _ in range(TASKS)]
        yield Jam(caller, trouble, [claim["task"]["id"] for claim in held])


async def test_lists_creates_claims_and_looks_are_refused(jam: Jam) -> None:
    caller, task_id = jam.caller, jam.tasks[0]
    await jam.begin()

    answers = [
        await caller.read("/v1/tasks"),
        await caller.read("/v1/stats"),
        await caller.create(),
        await caller.send("POST", "/v1/keys/register"),
        await caller.claim_next(),
        await caller.do("claim", task_id),
        await caller.do("cancel", task_id),
        await caller.show(task_id),
    ]

    for answer in answers:
        body = refused(answer, 503, "server_error")
        assert recommended(body)["retry_after_seconds"] == int(answer.headers["retry-after"])
        assert 1 <= int(answer.headers["retry-after"]) <= 3
        assert body["agent_contract"]["retryable"] is True
        assert "nothing was changed" in body["message"]
    assert caller.service.observer.refusals == [
        *("door_list", "door_list", "door_create", "door_create"),
        *("door_claim", "door_claim", "door_claim", "door_get"),
    ]
    await jam.end()


async def test_holders_of_leases_are_let_in(jam: Jam) -> None:
    caller, (first, second, *_) = jam.caller, jam.tasks
    await jam.begin()

    ends = [
        asyncio.create_task(caller.do("complete", first)),
        asyncio.create_task(caller.do("fail", second)),
    ]
    await jam.end()

    assert [ok(answer)["status"] for answer in await asyncio.gather(*ends)] == [
        "completed",
        "pending",
    ]


async def test_a_refused_request_is_not_read(jam: Jam) -> None:
    await jam.begin()

    answer = await jam.caller.create(priority="high")

    refused(answer, 503, "server_error")
    await jam.end()


async def test_whoever_has_no_key_is_told_so_all_the_same(jam: Jam) -> None:
    await jam.begin()

    answer = await jam.caller.client.get("/v1/tasks")

    refused(answer, 401, "missing_api_key")
    await jam.end()


async def test_everybody_is_let_in_again_afterwards(jam: Jam) -> None:
    caller = jam.caller
    await jam.begin()
    refused(await caller.create(), 503, "server_error")

    await jam.end()

    ok(await caller.create(), 201)
    ok(await caller.read("/v1/tasks"))
    ok(await caller.claim_next())


async def test_claims_that_wait_for_tasks_turn_nobody_away(jam: Jam) -> None:
    caller = jam.caller
    waiting = [
        asyncio.create_task(caller.claim_next("other", wait_seconds=20)) for _ in range(TASKS)
    ]
    await _waiting(caller, TASKS)
    caller.service.clock.advance(LIMITS.patience_seconds)
    ok(await caller.read("/v1/tasks"))

    for _ in range(TASKS):
        await caller.task(type="other")
    for claim in await asyncio.gather(*waiting):
        assert ok(claim)["task"]["type"] == "other"


async def test_whoever_sends_slowly_turns_nobody_away(jam: Jam) -> None:
    caller, begun, go_on = jam.caller, asyncio.Semaphore(0), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"type":"slow",'
        begun.release()
        await go_on.wait()
        yield b'"payload":{}}'

    headers = {**caller.account.headers, "Content-Type": "application/json"}
    slow = [
        asyncio.create_task(caller.client.post("/v1/tasks", content=slowly(), headers=headers))
        for _ in range(TASKS)
    ]
    for _ in slow:
        await begun.acquire()
    caller.service.clock.advance(LIMITS.patience_seconds)

    ok(await caller.read("/v1/tasks"))

    go_on.set()
    for answer in await asyncio.gather(*slow):
        ok(answer, 201)


async def _waiting(caller: Caller, count: int) -> None:
    for _ in range(TURNS_MAX):
        if caller.service.service.waiters.room.taken >= count:
            return
        await asyncio.sleep(0)
    raise AssertionError("the claims never came to wait")
