"""Waiting at a real server: it holds the requests open, stops, and comes back."""

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from orchestrion.client.aio import AsyncOrchestrion
from orchestrion.client.errors import ConnectionFailed, Timeout
from orchestrion.client.sync import Orchestrion
from orchestrion.client.task import NewTask, Task
from orchestrion.client.waiting import IDS_MAX
from tests.e2e.serving import Served, serving
from tests.ports import free_port

TYPE = "report"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Run a server."""
    with serving(tmp_path_factory.mktemp("served") / "orchestrion.db") as served:
        yield served


@pytest.fixture
def client(served: Served) -> Iterator[Orchestrion]:
    """Connect to it."""
    with Orchestrion(served.url(), served.first_key()) as client:
        yield client


def finish(client: Orchestrion, task_id: str) -> None:
    """Work on a task."""
    held = client.tasks.claim_by_id(task_id)
    client.tasks.complete(task_id, held.lease_token, {"n": 1})


def beside(work: Any, *arguments: object) -> threading.Thread:  # noqa: ANN401
    """Do something in another thread."""
    thread = threading.Thread(target=work, args=arguments, daemon=True)
    thread.start()
    return thread


def test_a_result_comes_as_soon_as_it_is_there(client: Orchestrion) -> None:
    task = client.tasks.create(TYPE, {})
    working = beside(finish, client, task.id)

    assert client.tasks.wait(task.id, timeout=20).result == {"n": 1}
    working.join()


@pytest.mark.parametrize("timeout", [0, 0.3, 1.2])
def test_a_wait_ends_in_time(client: Orchestrion, timeout: float) -> None:
    task = client.tasks.create(TYPE, {})
    began = time.monotonic()

    with pytest.raises(Timeout, match=rf"{task.id}.*Next: "):
        client.tasks.wait(task.id, timeout=timeout)

    assert timeout <= time.monotonic() - began < timeout + 1


def test_more_tasks_than_fit_one_request_are_waited_for(client: Orchestrion) -> None:
    made = client.tasks.create_many(NewTask(TYPE, {}) for _ in range(IDS_MAX + 1))
    ids = [task.id for task in made if isinstance(task, Task)]

    with pytest.raises(Timeout):
        client.tasks.wait_many(ids, timeout=0)
    working = beside(finish, client, ids[-1])
    (done,) = client.tasks.wait_many(ids, timeout=20, mode="any")

    assert done.id == ids[-1]
    working.join()
    for task_id in ids[:-1]:
        client.tasks.cancel(task_id)
    assert [task.id for task in client.tasks.wait_many(ids, timeout=20)] == ids


def test_a_wait_for_a_server_that_is_away_ends_in_time() -> None:
    began = time.monotonic()

    with (
        Orchestrion(f"http://127.0.0.1:{free_port()}", "key") as client,
        pytest.raises(ConnectionFailed),
    ):
        client.tasks.wait("tsk_01M814NJ33M9S346Q3D25VT4F5", timeout=1)

    assert time.monotonic() - began < 5


class Slow(httpx2.BaseTransport):
    """A server that is asked for ids, takes longer than it was told, and knows of no end."""

    def __init__(self, over: int) -> None:
        self.over = over
        self.rounds = 0

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        assert self.rounds < 10, "it goes on for ever"
        self.rounds += 1
        time.sleep(0.55)
        ids = msgspec.json.decode(request.read())["ids"]
        ended = [{"id": task_id, "status": "completed"} for task_id in ids[: self.over]]
        return httpx2.Response(
            200, json={"items": ended, "remaining": ids[self.over :], "not_found": []}
        )


@pytest.mark.parametrize("over", [0, 1])
def test_a_wait_at_a_slow_server_ends_in_time(over: int) -> None:
    slow = Slow(over)
    ids = [f"tsk_{number}" for number in range(30)]

    with (
        Orchestrion("http://slow.example", "key", transport=slow) as client,
        pytest.raises(Timeout),
    ):
        client.tasks.wait_many(ids, timeout=1)

    assert slow.rounds == 2


def test_no_ids_are_no_wait(client: Orchestrion) -> None:
    assert client.tasks.wait_many([]) == []


@pytest.mark.parametrize("wait", [0, 0.3, 1.2])
def test_a_claim_waits_as_long_as_it_is_told(client: Orchestrion, wait: float) -> None:
    began = time.monotonic()

    with client.claim("nothing-of-this", wait=wait) as lease:
        assert lease is None

    assert wait <= time.monotonic() - began < wait + 1


def test_a_claim_gets_what_is_created_meanwhile(client: Orchestrion) -> None:
    creating = beside(client.tasks.create, "later", {})

    with client.claim("later", wait=20) as lease:
        assert lease is not None
    creating.join()


async def test_both_clients_wait_alike(served: Served) -> None:
    async with AsyncOrchestrion(served.url(), served.first_key()) as client:
        task = await client.tasks.create(TYPE, {})
        with pytest.raises(Timeout):
            await client.tasks.wait(task.id, timeout=0.1)
        await client.tasks.cancel(task.id)
        assert (await client.tasks.wait(task.id)).status == "cancelled"


async def test_a_wait_for_a_task_that_is_cancelled_takes_none(served: Served) -> None:
    async with AsyncOrchestrion(served.url(), served.first_key()) as client:
        later = await client.tasks.create("wanted", {}, run_at="+1h")

        async def work() -> None:
            async with client.claim("wanted", wait=50):
                pytest.fail("the block must not run")

        working = asyncio.create_task(work())
        await until_asked_for(client, later.id)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
        task = await client.tasks.create("wanted", {})

        (held,) = (await client.tasks.claim("wanted", max_tasks=2)).leases
        assert (held.task.id, held.task.attempt_count) == (task.id, 1)


async def until_asked_for(client: AsyncOrchestrion, task_id: str) -> None:
    """Wait until a claim waits for tasks like this one: then it was asked for just now."""
    async with asyncio.timeout(20):
        while True:
            asked = (await client.tasks.explain(task_id)).last_asked_at
            again = (await client.tasks.explain(task_id)).last_asked_at
            if asked and again and asked < again:
                return


def test_a_restart_of_the_server_is_waited_out(tmp_path: Path) -> None:
    path, port = tmp_path / "orchestrion.db", str(free_port())
    with serving(path, "--port", port) as first:
        client = Orchestrion(first.url(), first.first_key())
        client.exchange.draw = lambda: 0.1
        task = client.tasks.create(TYPE, {})
        found: list[Task] = []
        waiting = beside(lambda: found.append(client.tasks.wait(task.id, timeout=60)))
        assert first.stop() == 0

    with serving(path, "--port", port) as second:
        second.url()
        finish(client, task.id)
        waiting.join()

    assert [task.result for task in found] == [{"n": 1}]
    client.close()


def test_one_id_where_several_are_wanted_is_a_mistake(client: Orchestrion) -> None:
    with pytest.raises(TypeError, match=r"tasks\.wait"):
        client.tasks.wait_many("tsk_01M814NJ33M9S346Q3D25VT4F5")
