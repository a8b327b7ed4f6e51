"""Uses of the public API as its users write them: read by type checkers, never run."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypedDict, assert_type

import msgspec
import pydantic

from orchestrion import (
    Action,
    AgentContract,
    APIError,
    AsyncOrchestrion,
    Beat,
    Claimed,
    Completion,
    Failure,
    Held,
    Lease,
    LeaseExpired,
    NewTask,
    Orchestrion,
    Page,
    QuotaExceeded,
    RetryNote,
    Task,
    Timeout,
)
from orchestrion.client.account import Checkout, Plan, PlanStatus, RegisteredKey, Verification
from orchestrion.client.insight import Explanation, Health, Stats


class Job(msgspec.Struct):
    """A payload as a struct."""

    url: str


@dataclass
class Letter:
    """A payload as a dataclass."""

    text: str


class Words(TypedDict):
    """A payload as a typed dictionary."""

    words: int


class Model(pydantic.BaseModel):
    """A payload as a model."""

    page: int


def told(note: RetryNote) -> None:
    """Hear of repeats."""
    assert_type(note.retry, int)
    assert_type(note.pause_seconds, float)


def connect() -> None:
    """Make clients."""
    Orchestrion()
    Orchestrion("http://127.0.0.1:8080", "key", timeout=5, max_retries=3, on_retry=told)
    with Orchestrion(retry_seconds=10) as client:
        assert_type(client, Orchestrion)


def create(client: Orchestrion, when: datetime) -> None:
    """Create tasks from all kinds of payloads."""
    task = client.tasks.create("t", {"url": "u", "pages": [1, 2]}, priority=3, max_attempts=5)
    assert_type(task, Task)
    client.tasks.create("t", Job(url="u"), run_at="+15m", lease_seconds=60)
    client.tasks.create("t", Letter(text="x"), run_at=timedelta(minutes=1))
    client.tasks.create("t", Words(words=3), run_at=when, idempotency_key="k")
    client.tasks.create("t", Model(page=1))
    made = client.tasks.create_many(
        [NewTask("t", {"n": 1}), NewTask("t", Job(url="u"), priority=9)]
    )
    assert_type(made, list[Task | APIError])
    for outcome in made:
        if isinstance(outcome, APIError):
            assert_type(outcome.code, str)
        else:
            assert_type(outcome.id, str)


def read(client: Orchestrion, task: Task) -> None:
    """Read tasks and what the server tells."""
    assert_type(client.tasks.get(task.id), Task)
    assert_type(client.tasks.list(status="pending", limit=5), Page)
    assert_type(client.tasks.iter(type="t"), Iterator[Task])
    assert_type(client.tasks.wait(task.id, timeout=5), Task)
    assert_type(client.tasks.wait_many([task.id], mode="any"), list[Task])
    assert_type(client.tasks.explain(task.id), Explanation)
    assert_type(task.payload, dict[str, Any])
    assert_type(task.result, dict[str, Any] | None)
    assert_type(task.completed_at, datetime | None)
    assert_type(task.raw, dict[str, Any])
    assert_type(task.contract, AgentContract)
    assert_type(task.contract.recommended, Action)
    assert_type(client.stats(), Stats)
    assert_type(client.health(), Health)


def work(client: Orchestrion) -> None:
    """Hold tasks by hand."""
    claimed = client.tasks.claim("t", worker_id="w", wait_seconds=50, max_tasks=5)
    assert_type(claimed, Claimed)
    client.tasks.claim(["a", "b"])
    held = client.tasks.claim_by_id("tsk_1")
    assert_type(held, Held)
    token = held.lease_token
    assert_type(client.tasks.heartbeat(held.task.id, token), Task)
    assert_type(client.tasks.complete(held.task.id, token, {"words": 1}), Task)
    assert_type(client.tasks.complete(held.task.id, token, output_id="out"), Task)
    assert_type(client.tasks.fail(held.task.id, token, "no", retry_after=5), Task)
    assert_type(client.tasks.release(held.task.id, token), Task)
    assert_type(client.tasks.cancel(held.task.id, force=True), Task)
    assert_type(client.tasks.requeue(held.task.id), Task)
    identity = held.task.id
    client.tasks.complete_many([Completion(id=identity, lease_token=token, result=Words(words=1))])
    client.tasks.fail_many([Failure(id=identity, lease_token=token, reason="no")])
    client.tasks.heartbeat_many([Beat(id=identity, lease_token=token)])


def hold(client: Orchestrion) -> None:
    """Hold a task for a block."""
    with client.claim("a", "b", worker_id="w", wait=30) as lease:
        assert_type(lease, Lease | None)
        if lease is not None:
            assert_type(lease.task, Task)
            assert_type(lease.lost, bool)
            lease.result = {"words": 3}
            lease.result = Job(url="u")


def refused(client: Orchestrion) -> None:
    """Meet errors."""
    try:
        client.tasks.create("t", {})
    except QuotaExceeded as error:
        assert_type(error.contract.recommended.action, str)
        assert_type(error.retry_after, float | None)
        assert_type(error.details, dict[str, Any])
    except (Timeout, LeaseExpired):
        pass


def account(client: Orchestrion) -> None:
    """Look after the account."""
    assert_type(client.keys.register("ops@example.com"), RegisteredKey)
    assert_type(client.plan.show(), PlanStatus)
    assert_type(client.plan.list(), list[Plan])
    assert_type(client.plan.checkout("basic"), Checkout)
    assert_type(client.plan.verify("pur_1"), Verification)


async def awaited() -> None:
    """Use the async client."""
    async with AsyncOrchestrion(max_retries=3, timeout=10) as client:
        assert_type(client, AsyncOrchestrion)
        task = await client.tasks.create("t", {"n": 1})
        assert_type(task, Task)
        async for one in client.tasks.iter(status="dead_letter"):
            assert_type(one, Task)
            await client.tasks.requeue(one.id)
        assert_type(await client.tasks.wait_many([task.id]), list[Task])
        assert_type(await client.tasks.create_many([NewTask("t", {})]), list[Task | APIError])
        assert_type(await client.plan.list(), list[Plan])
        assert_type(await client.stats(), Stats)
        async with client.claim("t") as lease:
            assert_type(lease, Lease | None)
