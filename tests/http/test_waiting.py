"""Claims that wait over HTTP: what they answer, what they cost, and what else they may ask for."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest

from orchestrion.core.plans import HOSTED
from orchestrion.service import ServiceOptions
from tests.databases import Database
from tests.harness import Harness, running
from tests.http.callers import Caller, Json, Response, limit_left, ok, recommended, refused

TYPES_MAX = 10
WAIT_MAX = 50


class Queue:
    """Requests that wait, on a service whose time stands still."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.service = caller.service

    async def claim(self, **fields: object) -> "asyncio.Task[Any]":
        """Send a claim, and go on once it waits."""
        body = {"wait_seconds": 20, **fields}
        return await self.sent(self.caller.send("POST", "/v1/tasks/claim", body))

    async def sent(self, request: Coroutine[Any, Any, Response]) -> "asyncio.Task[Response]":
        """Send a request, and go on once it waits."""
        waiters = self.service.service.waiters
        taken = waiters.room.taken
        sent = asyncio.create_task(request)
        async with asyncio.timeout(20):
            while waiters.room.taken == taken or waiters.asking:
                assert not sent.done(), sent.result().text
                await asyncio.sleep(0.001)
        return sent

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and answer those whose time is up."""
        self.service.clock.advance(seconds)
        self.service.service.waiters.turn()


@pytest.fixture
def queue(caller: Caller) -> Queue:
    return Queue(caller)


async def test_a_waiting_claim_is_answered_with_the_task_that_comes(queue: Queue) -> None:
    waiting = await queue.claim(type="report", worker_id="agent-7")

    task = await queue.caller.task()

    claim = ok(await waiting)
    assert claim["task"]["id"] == task["id"]
    assert claim["task"]["claimedBy"] == "agent-7"
    assert claim["lease_token"].startswith("lse_")
    assert recommended(claim)["action"] == "complete_task"


async def test_a_wait_in_vain_is_answered_empty_and_may_be_repeated_at_once(queue: Queue) -> None:
    waiting = await queue.claim(type="report")

    queue.pass_time(20.1)

    empty = ok(await waiting)
    assert empty["task"] is None
    step = recommended(empty)
    assert (step["action"], step["retry_after_seconds"]) == ("retry_after_wait", 1)
    assert empty["agent_contract"]["task_claimable"] is False
    at_once = ok(await queue.caller.claim_next())
    assert recommended(at_once)["retry_after_seconds"] == 5


async def test_the_time_it_only_waited_is_no_time_it_took(queue: Queue) -> None:
    waiting = await queue.claim(type="report")

    queue.pass_time(20.1)
    await waiting

    noted = queue.service.observer.requests[-1]
    assert (noted.operation, noted.status) == ("claim_next_task", 200)
    assert noted.seconds < 1


async def test_a_claim_may_name_several_types(queue: Queue) -> None:
    waiting = await queue.claim(types=["mail", "report", "mail"])
    also = await queue.claim(type="report", types=["fax"])

    report = await queue.caller.task(type="report")
    fax = await queue.caller.task(type="fax")

    assert ok(await waiting)["task"]["id"] == report["id"]
    assert ok(await also)["task"]["id"] == fax["id"]
    await queue.caller.task(type="mail")
    assert ok(await queue.caller.send("POST", "/v1/tasks/claim", {"types": ["mail"]}))["task"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"types": []},
        {"types": "report"},
        {"types": ["re port"]},
        {"types": [f"t{number}" for number in range(TYPES_MAX + 1)]},
        {"type": "one_more", "types": [f"t{number}" for number in range(TYPES_MAX)]},
        {"type": "report", "types": None},
        {"type": "report", "wait_seconds": WAIT_MAX + 1},
        {"type": "report", "wait_seconds": -1},
        {"type": "report", "wait_seconds": 0.5},
        {"type": "report", "wait_seconds": "5"},
        {"type": "report", "wait_seconds": True},
        {"type": "report", "wait_seconds": None},
    ],
    ids=str,
)
async def test_what_cannot_be_waited_for_is_refused(caller: Caller, body: Json) -> None:
    refused(await caller.send("POST", "/v1/tasks/claim", body), 400, "invalid_request")


async def test_the_task_of_a_caller_that_hung_up_is_there_for_the_next(queue: Queue) -> None:
    waiting = await queue.claim(type="report")
    waiting.cancel()
    await asyncio.wait([waiting])

    task = await queue.caller.task()

    claim = ok(await queue.caller.claim_next())
    assert (claim["task"]["id"], claim["task"]["attemptCount"]) == (task["id"], 1)


async def test_a_stop_answers_whoever_waits(queue: Queue) -> None:
    waiting = await queue.claim(type="report")

    queue.service.service.stop_waiting()

    empty = ok(await waiting)
    assert empty["task"] is None
    assert ok(await queue.caller.claim_next(wait_seconds=20))["task"] is None


async def test_an_end_of_an_attempt_may_wait_for_what_comes_next(queue: Queue) -> None:
    held = await queue.caller.held()
    finishing = await queue.sent(
        queue.caller.do(
            "complete",
            held["task"]["id"],
            lease_token=held["lease_token"],
            claim_next={"type": "report", "wait_seconds": 20},
        )
    )
    assert ok(await queue.caller.show(held["task"]["id"]))["status"] == "completed"

    task = await queue.caller.task()

    finished = (await finishing).json()
    assert finished["status"] == "completed"
    assert finished["next_task"]["id"] == task["id"]


# --- on the hosted plans


@pytest.fixture
async def hosted(database: Database) -> AsyncIterator[Harness]:
    async with running(database, ServiceOptions(catalogue=HOSTED)) as service:
        yield service


async def test_an_empty_answer_after_a_wait_counts_as_one_read(hosted: Harness) -> None:
    caller = Caller(hosted, await hosted.account())
    queue = Queue(caller)
    before = limit_left(await caller.read("/v1/tasks"))[1]
    waiting = await queue.claim(type="report")

    queue.pass_time(20.1)
    await waiting

    assert limit_left(await caller.read("/v1/tasks"))[1] == before - 2


async def test_a_claim_whose_caller_hangs_up_counts_as_a_read(hosted: Harness) -> None:
    """Else a worker that always hangs up early could ask without end."""
    caller = Caller(hosted, await hosted.account())
    queue = Queue(caller)
    held = await caller.held()
    before = limit_left(await caller.read("/v1/tasks"))[1]
    claim = await queue.claim(type="report")
    following = queue.caller.do(
        "complete", held["task"]["id"], claim_next={"type": "report", "wait_seconds": 20}
    )
    finishing = await queue.sent(following)

    for waiting in (claim, finishing):
        waiting.cancel()
    await asyncio.wait([claim, finishing])

    assert limit_left(await caller.read("/v1/tasks"))[1] == before - 3


async def test_after_a_wait_no_window_is_told_that_is_long_past(hosted: Harness) -> None:
    caller = Caller(hosted, await hosted.account())
    queue = Queue(caller)
    waiting = await queue.claim(type="report")

    queue.pass_time(20.1)

    assert "ratelimit" not in (await waiting).headers
    assert limit_left(await caller.claim_next())[0] == "claims"


async def test_more_than_two_waiting_claims_per_worker_of_the_plan_are_refused(
    hosted: Harness,
) -> None:
    caller = Caller(hosted, await hosted.account())
    queue = Queue(caller)
    waiting = [await queue.claim(type="report") for _ in range(4)]

    body = refused(await caller.claim_next(wait_seconds=20), 429, "rate_limited")

    assert "wait_seconds 0" in body["message"]
    assert ok(await caller.claim_next(wait_seconds=0))["task"] is None
    assert recommended(body)["endpoint"] == "/v1/tasks/claim"
    assert ok(await caller.claim_next())["task"] is None
    hosted.service.stop_waiting()
    await asyncio.gather(*waiting)
